/* network/exports.h: what this folder shows to the others. */
#pragma once

#include "network/addresses.h"
#include "network/allow.h"
