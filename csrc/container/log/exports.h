/* container/log/exports.h: what this folder shows to the others. */
#pragma once

#include "container/log/follow.h"
#include "container/log/reader.h"
#include "container/log/records.h"
#include "container/log/writer.h"
