/* userns/holder/exports.h: what this folder shows to the others. */
#pragma once

#include "userns/holder/keeper.h"
#include "userns/holder/main.h"
