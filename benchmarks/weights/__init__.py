"""The parts of the leaderboard of predictors on weights."""
