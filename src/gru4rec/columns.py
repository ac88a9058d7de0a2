"""The canonical column names, once."""

SESSION = "SessionId"
ITEM = "ItemId"
TIME = "Time"

RANK = "rank"
SCORE = "score"
