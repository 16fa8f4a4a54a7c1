/* config/options/exports.h: what this folder shows to the others. */
#pragma once

#include "config/options/parse.h"
#include "config/options/request.h"
#include "config/options/values.h"
