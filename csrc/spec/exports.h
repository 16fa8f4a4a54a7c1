/* spec/exports.h: what this folder shows to the others. */
#pragma once

#include "spec/parse.h"
#include "spec/parts.h"
