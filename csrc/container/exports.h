/* container/exports.h: what this folder shows to the others. */
#pragma once

#include "container/life.h"
#include "container/pause.h"
#include "container/stop.h"
#include "container/update.h"
