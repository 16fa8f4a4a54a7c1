/* container/monitor/exports.h: what this folder shows to the others. */
#pragma once

#include "container/monitor/await.h"
#include "container/monitor/child.h"
#include "container/monitor/control.h"
#include "container/monitor/cpu.h"
#include "container/monitor/mounts.h"
#include "container/monitor/record.h"
#include "container/monitor/relay.h"
#include "container/monitor/socket.h"
#include "container/monitor/tree.h"
#include "container/monitor/wait.h"
#include "container/monitor/watch.h"
