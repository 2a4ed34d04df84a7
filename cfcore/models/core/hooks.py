"""Methods of a model that follow from others, and are written for speed or for the terms of a sum alone."""

from __future__ import annotations

__all__ = ["FOLLOWS", "follow"]

#: Methods that answer as others do, faster or term by term; each with these others.
FOLLOWS: dict[str, tuple[str, ...]] = {
    # many users
    "_products": ("_score",),
    "_scores_for_lists": ("_score",),
    "_lists_per_call": ("_choice_rows", "_worth"),
    "_best_by_preference": ("_choice_rows", "_worth"),
    # one user
    "_score_pair": ("_score",),
    "_scores_of_user": ("_score",),
    "_best_of_user": ("_score",),
    # the ratings of a session
    "_session_scores": ("_score", "_state_of_users"),
    "_best_of_session": ("_score", "_state_of_users"),
    "_session_choices": ("_choice_rows",),
    "_session_worths": ("_worth",),
    # explanations
    "_contributions": ("_score",),
    "_state_without_each": ("_score", "_state_of_users"),
    "_preference_contributions": ("_choice_rows", "_worth"),
}


def follow(cls: type) -> None:
    """Give a class the defaults of methods that follow from others which it writes, unless it writes them.

    So a subclass of a model of cfcore that writes `_score` alone is listed, answered and explained by its
    own scores. The default is the method of the first base that has one.
    """
    for name, others in FOLLOWS.items():
        if name not in vars(cls) and not vars(cls).keys().isdisjoint(others):
            first = next(base for base in reversed(cls.__mro__) if name in vars(base))
            setattr(cls, name, vars(first)[name])
