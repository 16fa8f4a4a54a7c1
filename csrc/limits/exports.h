/* limits/exports.h: what this folder shows to the others. */
#pragma once

#include "limits/freezer/freeze.h"
#include "limits/groups.h"
#include "limits/names.h"
#include "limits/steal.h"
#include "limits/taskclock.h"
