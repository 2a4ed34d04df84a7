"""`ItemKNN` and `UserKNN`: one algorithm, with the roles of users and items exchanged."""

from __future__ import annotations

import math

from cfcore.models.neighbors.base import KNN
from cfcore.models.neighbors.state import ItemNeighborState, UserNeighborState


class ItemKNN(KNN):
    """Predict from the most similar items among those that the user rated.

    ::

        r̂_ui = c_ui + σ_i ((Σ_{j ∈ N(i; u)} sign(s_ij) |s_ij|^ρ d_uj) / (λ + Σ_{j ∈ N(i; u)} |s_ij|^ρ))

    N(i; u) are the `n_neighbors` items nearest to i that user u rated; σ_i is 1 but for
    z-scores.

    Parameters
    ----------
    similarity : str, default "cosine_baseline"
        How two items are compared, over the users who rated both: "pearson"; "cosine"; "adjusted_cosine"
        (of ratings less the mean of each user); "msd", 1 / (1 + mean squared difference) in units of a
        quarter of the scale's width; "raw_msd", the same in the unit of the ratings; "jaccard";
        "pearson_baseline", the cosine of what the baseline leaves of the ratings (Koren 2010);
        "cosine_baseline", the same with norms over all who rated either, so that few common users make a
        small similarity.
    n_neighbors : int or None, default 30
        How many of the nearest count; None for all. Equally near ones: those that sort first by id.
    center : {"baseline", "zscore", "mean", None}, default "baseline"
        What c is, around which the deviations d of the ratings are averaged: overall mean
        plus biases of user and item; the item's mean, deviations being in standard deviations; the item's
        mean; the overall mean (with positive weights and no damping: the weighted mean of plain ratings).
    shrinkage : float, optional
        Similarities are multiplied by (n - 1) / (n - 1 + shrinkage), n users who rated both. With
        "cosine_baseline", where n has no effect, each sum of squares gets so many squares of average size
        in addition: shrinkage times the mean square of what the baseline leaves of the training ratings. The
        default depends on the similarity: see Notes.
    min_support : int, default 1
        Similarities over fewer users count as 0.
    no_overlap : float, default 0
        Similarity of items that no user rated both.
    positive_only : bool, default True
        Leave negative similarities out. Otherwise they count by their size, the deviation's sign reversed.
    damping : float, optional
        λ, which pulls predictions from little evidence toward the centre. By default 8 over the
        square root of the number of ratings around the baseline, and 0 around anything else.
    power : float, optional
        ρ, above 1 for more weight to the nearest. By default 2 around the baseline and 1 around
        anything else. Halves of whole numbers up to 8 are fastest.
    reg_user, reg_item : float, default 8 and 3
        Regularisation of the baseline's biases (pseudo-counts), fitted by alternating least squares.
    storage : {"auto", "dense"} or int, default "auto"
        An int keeps so many of the most similar items of each; "dense" keeps all n_items**2 similarities, 4
        bytes each; "auto" keeps all up to 16,384 items and 1,000 of each beyond.
    n_threads : int, optional
        The results do not depend on it.
    verbose : int, default 0
        1 shows a progress bar over the similarities.

    Attributes
    ----------
    similarity_ : float32[n_items, n_items] or [n_items, n_kept]
    neighbors_ : int32[n_items, n_kept] or None
        Codes of those kept, -1 where there are fewer; None where all are.
    user_centers_, item_centers_ : float64[n_users + 1], float64[n_items + 1]
        Means or, around the baseline, biases; the last is for the unknown.
    deviations_ : float32[n_ratings]
        d of each training rating: the rating less its centre, over the item's standard deviation for
        z-scores; user by user, in the order of ``seen_indptr_`` and ``seen_items_``.
    rule_ : dict
        How neighbours are weighted: ``n_neighbors`` (0: all), ``damping``, ``power`` and ``positive_only`` as
        they are used, defaults filled in, and ``additive``, whether c is the mean plus both centres.

    Notes
    -----
    Without any neighbour the prediction is c. An unknown item is predicted by the user's mean, as if
    it were equally similar to all items; an unknown user by c alone, which around None is the overall
    mean; both unknown, by the overall mean. Around the baseline, what is unknown has the mean bias of all
    ratings.

    Without damping, as around anything but the baseline, predictions from few ratings are worse than those
    for unknown users. So for ratings given with a question (``given=``) the deviations of a user of n
    ratings are multiplied by n / (n + 10); those of training are not.

    Lists by preference (``recommend(..., by="preference")``) choose items that were rated by the users who
    rated the items that the user rated,

    ::

        c_ui = Σ_{j ∈ I_u} g(r_uj) n_j^-.7 n_i^-.6 Σ_{v ∈ U_i ∩ U_j} n_v^-.5

    over the largest for the user; g is the square of a rating's position between the ends of the scale, and n
    are numbers of ratings (item-based lists, Deshpande and Karypis 2004). On MovieLens 100K (u1) they have
    ndcg@10 .395, with popularity at .245.

    The defaults were found by cross-validation within the training ratings of MovieLens 100K and 1M. Those of
    `shrinkage`, with the errors by cross-validation there (``python benchmarks/defaults.py --similarities``):

    ================  =========  ============  ===========  ============  ===========
    similarity        shrinkage  ItemKNN 100K  ItemKNN 1M   UserKNN 100K  UserKNN 1M
    ================  =========  ============  ===========  ============  ===========
    cosine_baseline   18         .917          .850         .924          .872
    pearson_baseline  100        .918          .857         .923          .869
    pearson           100        .918          .862         .928          .887
    adjusted_cosine   100        .918          .866         .929          .879
    msd, raw_msd      10         .923          .874         .931          .887
    cosine            5          .942          .899         .939          .896
    jaccard           0          .915          .867         .938          .897
    ================  =========  ============  ===========  ============  ===========

    Predictions for ratings in another unit (divided by 4, say) are those for these ratings, in that unit;
    "raw_msd" is the exception. "cosine" depends on where the zero of the scale is.

    The predictions of scikit-surprise's KNNBasic, KNNWithMeans and KNNWithZScore with similarity "cosine",
    "msd" or "pearson" are those of ``center=None``, "mean" and "zscore" with ``shrinkage=0, damping=0,
    power=1, positive_only=True`` and ``n_neighbors`` for its k (``min_support`` has the same name), where it
    has neighbours at all, and takes the same of equally near ones. Its "msd" is "raw_msd" here; for a scale
    from 1 to 5 both are the same.

    References
    ----------
    B. Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001.
    Y. Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", TKDD 2010.

    Examples
    --------
    >>> import cfcore as cf
    >>> model = cf.ItemKNN(similarity="cosine", center=None).fit(
    ...     (["ann", "ann", "bob", "eve"], ["x", "y", "x", "y"], [5, 4, 3, 2])
    ... )
    >>> float(model.predict("bob", "y"))
    3.0
    """

    _state_class = ItemNeighborState
    _tuned_power = 2.0

    @staticmethod
    def _tuned_damping(n_ratings: int) -> float:
        # Best by cross-validation: .032 at 64,000 ratings, .015 at 270,000, .006 at 810,000.
        return 8.0 / math.sqrt(n_ratings)

    def __init__(
        self,
        *,
        similarity: str = "cosine_baseline",
        n_neighbors: int | None = 30,
        center: str | None = "baseline",
        shrinkage: float | None = None,
        min_support: int = 1,
        no_overlap: float = 0.0,
        positive_only: bool = True,
        damping: float | None = None,
        power: float | None = None,
        reg_user: float = 8.0,
        reg_item: float = 3.0,
        storage: str | int = "auto",
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self._store(locals())


class UserKNN(KNN):
    """Predict from the most similar users among those who rated the item.

    ::

        r̂_ui = c_ui + σ_u ((Σ_{v ∈ N(u; i)} sign(s_uv) |s_uv|^ρ d_vi) / (λ + Σ_{v ∈ N(u; i)} |s_uv|^ρ))

    N(u; i) are the `n_neighbors` users nearest to u who rated item i; σ_u is 1 but for z-scores.

    This is `ItemKNN` with the roles of users and items exchanged throughout: in what the parameters mean, in
    the attributes and in how unknown users and items are predicted. Only defaults differ.

    Parameters
    ----------
    similarity : str, default "pearson_baseline"
    n_neighbors : int or None, default 60
    shrinkage : float, optional
        As in `ItemKNN`, with the defaults in its Notes.
    positive_only : bool, default False
    damping, power : float, optional
        By default 0.06 and 1.5 around the baseline, 0 and 1 around anything else.
    reg_user, reg_item : float, default 5 and 2
    center, min_support, no_overlap, storage, n_threads, verbose
        As in `ItemKNN`.

    Notes
    -----
    Without damping, predictions from n ratings given with a question (``given=``) are those for unknown users
    and, with the weight n / (n + 5) / 2 around means and n / (n + 2) / 20 around None, the difference that
    the neighbours make, of which the rest is noise; those of training are not shrunk.
    New users are compared with all others: about 0.2 s on MovieLens 1M.

    Lists by preference choose items as those of `ItemKNN` do; on MovieLens 100K (u1) they have ndcg@10 .402.

    References
    ----------
    J. Herlocker et al., "An algorithmic framework for performing collaborative filtering", SIGIR 1999.
    Y. Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", TKDD 2010.

    Examples
    --------
    >>> import cfcore as cf
    >>> model = cf.UserKNN(similarity="cosine", center=None).fit(
    ...     (["ann", "ann", "bob", "eve"], ["x", "y", "x", "y"], [5, 4, 3, 2])
    ... )
    >>> float(model.predict("bob", "y"))
    4.0
    """

    _state_class = UserNeighborState
    _tuned_power = 1.5

    @staticmethod
    def _tuned_damping(n_ratings: int) -> float:
        return 0.06

    def __init__(
        self,
        *,
        similarity: str = "pearson_baseline",
        n_neighbors: int | None = 60,
        center: str | None = "baseline",
        shrinkage: float | None = None,
        min_support: int = 1,
        no_overlap: float = 0.0,
        positive_only: bool = False,
        damping: float | None = None,
        power: float | None = None,
        reg_user: float = 5.0,
        reg_item: float = 2.0,
        storage: str | int = "auto",
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self._store(locals())
