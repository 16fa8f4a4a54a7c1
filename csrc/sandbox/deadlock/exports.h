/* sandbox/deadlock/exports.h: what this folder shows to the others. */
#pragma once

#include "sandbox/deadlock/busy.h"
#include "sandbox/deadlock/pair.h"
