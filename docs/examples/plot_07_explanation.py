"""
Why this prediction?
====================

The ratings of a user that pull a prediction up or down.
"""

import cfcore as cf

train, test = cf.datasets.load("ml-100k", split="u1")
model = cf.SVDpp(random_state=0).fit(train)
reasons = model.explain(196, 172, n=6)
print(reasons)

# %%
# Base, effects and others add up to the score.

ax = cf.plots.explanation(reasons)
