/* config/life/exports.h: what this folder shows to the others. */
#pragma once

#include "config/life/policy.h"
#include "config/life/update.h"
