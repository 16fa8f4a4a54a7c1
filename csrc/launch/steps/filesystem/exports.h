/* launch/steps/filesystem/exports.h: what this folder shows to the others. */
#pragma once

#include "launch/steps/filesystem/dev.h"
#include "launch/steps/filesystem/place.h"
