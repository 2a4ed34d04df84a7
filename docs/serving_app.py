"""Lists over HTTP: `uvicorn serving_app:app`. Needs fastapi, uvicorn, and a model in the file `MODEL`.

For integer ids; for string ids write str in place of int for users and items.
"""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query

import cfcore as cf

app = FastAPI()
Length = Annotated[int, Query(ge=1, le=1000)]
models = {"current": cf.load(os.environ.get("MODEL", "ranker.cf"))}


def as_rows(items: Any, scores: Any) -> list[dict[str, int | float]]:
    return [{"item": int(item), "score": float(score)} for item, score in zip(items, scores, strict=True)]


@app.get("/lists/{user}")
def of_user(user: int, n: Length = 10) -> list[dict[str, int | float]]:
    model = models["current"]
    if not model.knows(user):
        raise HTTPException(404, f"user {user} has no ratings; POST them to /lists")
    return as_rows(*model.recommend(user, n=n))


@app.post("/lists")
def of_session(ratings: dict[int, float], n: Length = 10) -> list[dict[str, int | float]]:
    """A list for ratings by item, of somebody whom the model does not know."""
    try:
        return as_rows(*models["current"].recommend(given=ratings, n=n))
    except cf.DataError as error:
        raise HTTPException(422, str(error)) from error


@app.post("/reload")
def reload(path: str) -> str:
    try:
        models["current"] = cf.load(path)  # requests in progress finish with the model that they began with
    except (OSError, cf.FileFormatError) as error:
        raise HTTPException(422, str(error)) from error
    return path
