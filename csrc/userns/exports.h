/* userns/exports.h: what this folder shows to the others. */
#pragma once

#include "userns/ids.h"
#include "userns/mapping.h"
