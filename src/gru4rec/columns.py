"""The canonical column names, once."""

SESSION = "SessionId"
ITEM = "ItemId"
TIME = "Time"
# orders the events of a session that share their time; there only where some do
PLACE = "PlaceInSession"

RANK = "rank"
SCORE = "score"
