"""Events as arrays: item indices, ordered sessions, and the schedule by which they are read."""
