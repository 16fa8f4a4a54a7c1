/* launch/exports.h: what this folder shows to the others. */
#pragma once

#include "launch/boxed.h"
#include "launch/join.h"
