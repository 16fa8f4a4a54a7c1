/* launch/steps/exports.h: what this folder shows to the others. */
#pragma once

#include "launch/steps/box.h"
#include "launch/steps/handover.h"
#include "launch/steps/setup.h"
