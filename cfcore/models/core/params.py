"""Hyper-parameters: reading, setting and printing them, and the checks that `fit` makes."""

from __future__ import annotations

import copy
import inspect
import math
import numbers
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from cfcore.errors import shown
from cfcore.models.core.other_names import OTHER_NAMES, hint

#: Numbers beyond this are refused: they are not finite in float32. Of integers, those that int64 cannot hold.
LARGEST, LARGEST_INT = 1e38, 1e18
#: The largest count: kernels take int32.
MOST = 2**31 - 1
#: Larger factors at the start are refused: products of two must be finite in float32.
MOST_SCALE = 1e15
#: More epochs than this are refused, and a growth of the learning rates by more than twice each epoch.
MOST_EPOCHS, MOST_DECAY = 10**6, 2.0


class Params:
    """Hyper-parameters are the keyword arguments of ``__init__``, stored under their own names.

    This is scikit-learn's convention: ``sklearn.base.clone``, grid searches and pipelines work with these
    classes, and scikit-learn need not be imported here.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if not OTHER_NAMES.keys().isdisjoint(kwargs):
            said = hint(kwargs, cls.default_params())
            if said:
                raise TypeError(f"{cls.__name__}: {said}")
        return super().__new__(cls)

    @classmethod
    def default_params(cls) -> dict[str, Any]:
        """Name -> default of every hyper-parameter, in the order of the signature."""
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return {p.name: p.default for p in parameters if p.kind in named}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the hyper-parameters.

        Parameters
        ----------
        deep : bool, default True
            Also list the parameters of nested models, as ``outer__inner``.

        Returns
        -------
        dict of str to object
        """
        params: dict[str, Any] = {}
        for name in self.default_params():
            value = getattr(self, name)
            params[name] = value
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                params.update({f"{name}__{key}": inner for key, inner in value.get_params().items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set hyper-parameters by name and return the model; they take effect at the next ``fit``.

        Parameters
        ----------
        **params
            Values by the names of `get_params`.

        Raises
        ------
        ValueError
            For a name that is no hyper-parameter of this model; nothing is set then.
        """
        for key in params:
            self._check_name(key, params)
        # Whole parameters first, so that `outer__inner` is set on the new outer.
        for key, value in sorted(params.items(), key=lambda entry: "__" in entry[0]):
            name, nested, inner = key.partition("__")
            if nested:
                getattr(self, name).set_params(**{inner: value})
            else:
                setattr(self, name, value)
        return self

    def _check_name(self, key: str, given: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Raise ValueError unless it names a hyper-parameter; `given` are set at the same time."""
        name, nested, inner = key.partition("__")
        names = self.default_params()
        outer = given.get(name, getattr(self, name, None))
        if name not in names or (nested and not hasattr(outer, "set_params")):
            said = hint([name], names) or f"it has {', '.join(names) or 'none'}"
            if inner_names := self._names_of_models():
                said += f"; those of its models begin with {', '.join(f'{n}__' for n in inner_names)}"
            raise ValueError(f"{type(self).__name__} has no parameter {key!r}; {said}")
        if nested and isinstance(outer, Params):
            outer._check_name(inner)

    def _names_of_models(self) -> list[str]:
        """Names before ``__`` in the names of parameters of models within."""
        return [name for name in self.default_params() if isinstance(getattr(self, name, None), Params)]

    def clone(self) -> Self:
        """Return an unfitted model with the same hyper-parameters."""
        params = {
            name: value.clone() if isinstance(value, Params) else copy.deepcopy(value)
            for name, value in self.get_params(deep=False).items()
        }
        return type(self)(**params)

    def __repr__(self) -> str:
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, default in self.default_params().items()
            if not is_same(getattr(self, name), default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"


def is_same(value: Any, default: Any) -> bool:
    """Whether a hyper-parameter has its default value."""
    if value is default:
        return True
    try:
        return type(value) is type(default) and bool(value == default)
    except Exception:  # arrays and other objects whose == is not a truth value
        return False


def as_python(value: Any) -> Any:
    """A NumPy scalar, or another kind of number, as Python's bool, int, float or str; others unchanged.

    Arithmetic on ``np.int8(100)`` overflows, and files hold no NumPy scalars. Entries of lists, tuples and
    dicts are converted too.
    """
    if type(value) in (bool, int, float, str) or value is None:
        return value
    if isinstance(value, np.floating):
        return float(value)  # `item` keeps a longdouble
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return as_python(value[()])
    if isinstance(value, (int, float, str)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Rational):
        return float(value)
    if type(value) in (list, tuple):
        entries = [as_python(entry) for entry in value]
        same = all(new is old for new, old in zip(entries, value, strict=True))
        return value if same else type(value)(entries)
    if type(value) is dict:
        items = {key: as_python(entry) for key, entry in value.items()}
        return value if all(items[key] is value[key] for key in value) else items
    return value


def check_number(
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float | None = None,
    *,
    integer: bool = False,
    none: bool = False,
    open_low: bool = False,
) -> None:
    """Raise unless hyper-parameter `name` is a number in [low, high] (or (low, high] with `open_low`).

    Without `high`, integers are at most `MOST`, and other numbers at most `LARGEST`.

    Raises
    ------
    TypeError
        The value is a boolean or not a number, not an integer with `integer`, or None without `none`.
    ValueError
        The value is outside the range, or NaN.
    """
    if value is None and none:
        return
    kind = numbers.Integral if integer else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind):
        wanted = ("an integer" if integer else "a number") + (" or None" if none else "")
        raise TypeError(f"{name} must be {wanted}, not {shown(value)}")
    number = as_python(value)  # NaN fails every comparison below
    usual = MOST if integer else LARGEST_INT if isinstance(number, int) else LARGEST
    if high is None:
        high = usual
    if not (low < number if open_low else low <= number) or not number <= high:
        bounds = [f"{'>' if open_low else '>='} {low}"] if low > -math.inf else []
        if math.isfinite(high) and (high != usual or not number <= high):
            bounds.append(f"<= {high}")
        raise ValueError(f"{name} must be {' and '.join(bounds)}, not {shown(value)}")


def check_choice(name: str, value: Any, choices: Collection[Any]) -> None:
    """Raise ValueError unless hyper-parameter `name` is one of `choices`."""
    # `in` on a list would compare by ==, so that True would pass for 1.
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {shown(value)}")


def check_flag(name: str, value: Any) -> None:
    """Raise TypeError unless hyper-parameter `name` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {shown(value)}")
