-- Every number that the budget goes by, and why it is this one. Times in ms, rates in calls per second.
local P = {
  -- A known limit.
  pace = .982,            -- of a known limit: leaves 18 ms of each second to jitter on the way
  joining = .9,           -- a process' first calls are late (new connections, cold code) and its next ones are not:
  joiningFor = 1000,      --   for a second they would come on top of each other
  settling = 5000,        -- and its cold code goes on for a while: 429s of that time say nothing of the jitter to come
  guardStep = .012,       -- a 429 within a known limit means more jitter than `pace` leaves room for: this much more room,
  guardMax = .06,         --   up to here; past it the given limit is wrong, and the search begins below it
  guardHalf = 300000,     --   half of the room is given up again after 5 minutes
  flagLease = 10000,      -- of two processes' flags the lower holds, while its process is active

  -- How slots are given out.
  ahead = 20,             -- how far ahead, ms: what a process that stalls can lose of them
  refill = 10,            -- come back for more so long before the last one is due, unless the process knows its way to be shorter
  catchUp = 5,            -- how far the pace may lag and still be made up: no burst after idling
  late = 10,              -- how late a slot may be used: later ones are given up
  catchUpSearched = 25, lateSearched = 25, -- the same while the limit is searched for: a busy machine stalls for so long
  lateShare = .25,        -- or for this part of the time between two slots, where that is more
  freeBlock = 250,        -- with no limit in sight, slots are given out in blocks: at most what the ceiling allows in this time
  comeBack = 5000,        -- no process waits longer than this before asking again, at any setting of the clocks

  -- Pauses.
  pauseMin = 60,          -- after a stop, one call tries whether calls are let through again; the first after a round trip or so
  pauseMax = 8000,        -- tries come rarer and rarer, and at least this often
  canaryLease = 2000,     -- a process that died with the trying call holds the fleet no longer than this
  retryAfterMax = 86400000, -- a day: more is a mistake of the server's
  obeyFrom = 1001,        -- Retry-After counts whole seconds: one of 1 s may mean a millisecond, and stops no process by itself
  exhaustedSlack = 1000,  -- the same of resets: a pause is prolonged only by more than the rounding

  -- The circuit.
  circuitFailures = 20, circuitAfter = 5000, -- this many failures in a row, over this time, open it: a hiccup does not
  circuitMin = 1000, circuitMax = 30000,     -- between probes
  probeLease = 40000,     -- longer than any call's timeout

  -- The search: finding the limit.
  start = 20,             -- a modest guess: the smallest limit that a bulk job is likely to meet
  rampRound = 50,         -- it doubles in each round of so long, a usual round trip, once half of its calls have come back let through;
  cameBack = .5,          --   with all of them a late one would cost a round
  rampWanted = .4,        --   while at least this share of it is used
  rampSpare = .5, rampSpareFrom = 2000, -- past 2,000/s, when half of the slots come to nothing, the fleet itself is at its limit
  noLimit = 20000,        -- past this a limit does not matter to one Redis
  rampHalt = 2,           -- this many refusals end the ramp: one may be a stray;
  freeHaltShare = .005,   --   with no limit in sight, this share of the calls
  leastGuess = 1,         -- most limits let a call a second through: less is believed after a stop of seconds only,
  minRate = .05,          -- three calls a minute; slower limits come with headers
  span = 1000,            -- most limits count by the second, or refill within one
  -- The search: keeping to it.
  margin = .98,           -- of the highest rate known to be good: as with a known limit
  wanted = .8,            -- a round says something about the limit if this share of its slots was wanted
  behind = 4, leastAsks = 3, -- slots that were asked for and not given count as wanted, up to 4 times of what is let through
  fullLeast = 3000, fullMost = 30000, -- what was let through while all slots were wanted is known after 3 s; older than 30 s counts half
  made = .75,             -- and, for a higher rate, if this share of its calls was accepted
  regainRound = 300, regain = 1.12, -- after a stop the rate climbs by 12% every 0.3 s: doubled within 2 s
  back = .97,             -- of what was let through in the last second, where that climb met a refusal
  cut = .98, cutUnsure = .96,       -- what one refusal within the known good rate leaves of it
  cutMost = .85,          --   at least, whatever was let through meanwhile: a machine may have stalled
  nudgeGap = 20,          -- and no call for 20 ms after a refusal: room in a window that is full to the brim
  nudgeSlots = 1.6,       --   or, at a slow rate, for more than one slot: the end of a full window is seldom further away
  firstStep = .03,        -- a try goes 3% above, or
  leastCalls = 1.2,       --   a little more than one call a second, or it would not show
  finest = .25,           --   after a refused first step half of that, then a quarter: the limit may be in between
  stepMax = .5,           -- steps double from second to second, up to 50% a second
  stepBucket = .3,        --   and up to 30% while what is let through may come from a bucket's store
  savedMax = .3,          -- 15 s of the calls that `margin` leaves unused: a try seldom waits longer
  ofSaved = .5,           -- a try that is refused before it has used half of that has met no bucket
  burstKept = .7,         -- a bucket that gave less this time may have been less full; after a trial that went well
  burstAfterTrial = .5,   --   there may be none
  bigStep = .15,          -- back from a step above this, the limit may be far above: the rate climbs again at once
  beyond = 1.3,           -- a bucket is empty for certain when 1.3 times what it gave the last time is used up
  atOnce = 150, gapMax = 160, -- refused again within 150 ms: up to 160 ms of no calls
  trialFrom = 400, trial = 1500,           -- within this time after a climb a second refusal tells a bucket from a window;
  trialCalls = 1.5, trialMax = 5000,       --   at a slow rate it takes longer until a bucket is short of a call
  holdMin = 2500, holdMax = 10000, -- between a refused try and the next: bounded, so that a wrong belief heals in seconds
  purseFill = .005,       -- each call let through pays for half a percent of a refusal; tries wait until the purse is not empty
  purseMost = .5, purseDebt = .04, -- no credit for a second refusal; no debt of more than 8 s of calls
  tuition = 30000,        -- the first 30 s cost what they cost,
  newFor = 10000,         --   and so do the first 10 s of a limit that has changed
  haltShare = .08, haltLeast = 8, -- refusals within a second that mean "far too fast" and not "a little"
  haltCut = .85, haltAgain = .6,  -- what is kept of the rate at such a stop; and when it comes soon after another
  againWithin = 3000,
  longOver = 1.4,         -- let through so far above what a long window was to allow: there is none
  longCut = .1,           -- what one such stop leaves at least: few calls before it may be the machine's fault
  ofBetween = .9,         -- of what was let through from stop to stop; of a given limit that has proved wrong
  ofWrongLimit = .9,
  longStop = 2500, outage = 90000, -- a stop of seconds means a window longer than a second; one of minutes is an outage
}
