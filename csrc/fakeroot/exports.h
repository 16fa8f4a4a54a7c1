/* fakeroot/exports.h: what this folder shows to the others. */
#pragma once

#include "fakeroot/calls.h"
#include "fakeroot/supervisor.h"
