"""The learning benchmark: users, arms, the seam for baseline penalties, scores and their reading."""
