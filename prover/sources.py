"""What `prover compile` is pointed at: a named example, or a function of the user's own as module:function."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prover.errors import RefuteError, lacks_memory
from prover.model_folder import Model

EXAMPLES = ("digits", "minilm", "llama", "gpt2", "resnet18", "vit")
"""Named examples, each a function of `prover.examples.catalogue`."""


def models_of(source: str, options: Mapping[str, object], say: Callable[[str], object]) -> list[Model]:
    """The models of an example or of a function, compiled and measured.

    Args:
        options: what the function is called with, by name.
        say: told what is being done.

    Raises:
        RefuteError: there is no such function, it fails, or what it returns cannot be published.
    """
    made = _called(source, _function(source), options)
    if isinstance(made, Model):
        return [made]
    from prover.publication import Subject, publishable

    if not isinstance(made, Subject):
        raise RefuteError(f"{source} returns {type(made).__name__}, not a prover.publication.Subject or a Model")
    return [model for model, _report in publishable(made, say=say).values()]


def _function(source: str) -> Callable[..., object]:
    name = f"prover.examples.catalogue:{source}" if source in EXAMPLES else source
    module_name, _, function = name.partition(":")
    if not function or not module_name or module_name.startswith("."):
        raise RefuteError(f"{source!r} is neither an example ({', '.join(EXAMPLES)}) nor module:function")
    sys.path.insert(0, "")
    try:
        made = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise RefuteError(f"{source} cannot be imported: {error}; give module:function") from error
    except Exception as error:
        raise _failed(f"{source} cannot be imported", module_name, error) from error
    if not callable(made):
        raise RefuteError(f"{source} is no function but {type(made).__name__}; give module:function")
    found: Callable[..., object] = made
    return found


def _called(source: str, make: Callable[..., object], options: Mapping[str, object]) -> object:
    parameters = inspect.signature(make).parameters
    unknown = sorted(set(options) - set(parameters))
    if unknown:
        raise RefuteError(f"{source} takes no --{unknown[0]}; leave it out")
    missing = [name for name, p in parameters.items() if _is_required(p) and name not in options]
    if missing:
        raise RefuteError(f"{source} needs {', '.join(missing)}; give a function that needs nothing")
    try:
        return make(**options)
    except RefuteError:
        raise
    except Exception as error:
        raise _failed(f"{source} fails", make.__module__, error) from error


def _is_required(parameter: inspect.Parameter) -> bool:
    several = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and not several


def _failed(what: str, module: str, error: Exception) -> Exception:
    """The user's own error as one line, with the last line of the user's module that led to it."""
    if lacks_memory(error):
        return error
    file: Any = getattr(sys.modules.get(module), "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file] or [f for f in frames if f.filename != __file__][-1:]
    where = f" ({Path(own[-1].filename).name} line {own[-1].lineno}: {own[-1].line})" if own else ""
    if isinstance(error, SyntaxError):
        where = ""  # it is part of what the error says
    return RefuteError(f"{what}: {type(error).__name__}: {error}{where}")
