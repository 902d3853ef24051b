"""Models and whole training runs in one file, in the safetensors format: arrays as they are, everything else as JSON.

A file holds a tree.  Its arrays are tensors called by their path, ``model/layer0.W_x``; the header's metadata hold

    tinyrnn    the version of this format
    values     {path: number, text or list} of the leaves that are no arrays
    lists      the paths of the nodes that were lists
    modules    {path: {module: its type and settings}} of what was a module
    metadata   what `save` was told about the file
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy

from .. import backend, files
from ..graph import Value
from ..nn import Module

FORMAT = 1
DTYPES = {"BOOL", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64", "F16", "F32", "F64"}  # safetensors' names of NumPy's
PLAIN = (bool, int, float, str, type(None))  # what JSON gives back as it was


def save(path: str | os.PathLike, obj: Any, **metadata: Any) -> None:
    """Write a model, or a whole training run, into a file, so that a break in between leaves the old file as it was.

    Parameters
    ----------
    path : path
        By custom it ends in ``.safetensors``.
    obj : Module, Optimizer, or mapping
        A mapping may hold modules, optimisers, Tensors and arrays, numbers, texts, None, and lists and mappings of
        these.  Arrays on a GPU come back to the CPU.
    **metadata
        Anything JSON can hold that tells people, or the program that builds the model, what this is (see `metadata`).

    Raises
    ------
    TypeError
        If something in `obj` is neither an array nor JSON; the message names it.
    FileNotFoundError
        If the folder does not exist.
    IsADirectoryError
        If `path` is a folder.
    ImportError
        If safetensors is not installed.

    See Also
    --------
    load : which has an example.
    """
    safetensors = _safetensors("io.save")
    path = files.target("io.save", path)
    arrays: dict[str, numpy.ndarray] = {}
    values: dict[str, Any] = {}
    lists: list[str] = []
    for name, leaf in _leaves(obj, "", lists):
        if isinstance(leaf, numpy.ndarray):
            arrays[name] = leaf
        else:
            values[name] = leaf
    header = {
        "tinyrnn": str(FORMAT),
        "values": _json("value", values),
        "lists": _json("list", lists),
        "modules": _json("module", dict(_modules(obj, ""))),
        "metadata": _json("metadata", metadata),
    }
    content = safetensors.numpy.save(arrays, header)
    with files.replacing(path) as file:
        file.write(content)


def load(path: str | os.PathLike, into: Any = None) -> dict[str, Any]:
    """Read what `save` wrote.

    Parameters
    ----------
    path : path
    into : Module, Optimizer, or mapping of str to them, optional
        Where to put the state that the file holds for it.  If one of them does not fit, none is changed.

    Returns
    -------
    dict
        The tree that was saved: modules and optimisers as their `state_dict`, arrays as NumPy arrays, tuples as lists.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no safetensors file, is cut off, was written by a newer tinyrnn, has a dtype that NumPy does not have, such
        as bfloat16, or does not fit `into`.
    ImportError
        If safetensors is not installed.

    Examples
    --------
    A training run that goes on bit for bit:

    >>> import os, tempfile
    >>> from tinyrnn import backend, io, nn, optim
    >>> model = nn.LSTM(3, 4)
    >>> optimizer = optim.Adam(model.parameters())
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> run = {"model": model, "optimizer": optimizer, "random": backend.random_state(), "step": 200}
    >>> io.save(path, run, hidden_size=4)

    >>> model = nn.LSTM(3, io.metadata(path)["hidden_size"])
    >>> optimizer = optim.Adam(model.parameters())
    >>> run = io.load(path, into={"model": model, "optimizer": optimizer})
    >>> backend.set_random_state(run["random"])
    >>> run["step"]
    200
    """
    with _open(path) as file:
        header = _header(path, file)
        leaves = {name: _read(path, file, name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    if header is None:  # of another program: every name as it is
        tree: dict[str, Any] = leaves
    else:
        try:
            tree = _tree({**leaves, **header["values"]}, header["lists"])
        except (KeyError, TypeError, AttributeError):
            raise ValueError(f"{str(path)!r} is damaged: its header does not say how its arrays belong together") from None
    _restore(path, tree, into)
    return tree


def metadata(path: str | os.PathLike) -> dict[str, Any]:
    """What `save` was told about a file; its arrays are not read.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As `load`; also if the file was not written by tinyrnn.

    Examples
    --------
    >>> import os, tempfile
    >>> from tinyrnn import io, nn
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> io.save(path, nn.Linear(3, 2), trained_on="Shakespeare")
    >>> io.metadata(path)
    {'trained_on': 'Shakespeare'}
    """
    return _own_header(path)["metadata"]


def configuration(path: str | os.PathLike) -> dict[str, Any]:
    """What the modules in a file were: for each, by its dotted name, its type and its settings; the arrays are not read.

    Returns
    -------
    dict of str to dict
        For each module that was saved, by its path (``""`` if the file is one module), that of its parts.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As `metadata`.

    Examples
    --------
    >>> import os, tempfile
    >>> from tinyrnn import io, nn
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> io.save(path, {"model": nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.1))})
    >>> io.configuration(path)["model"]["0"]
    {'type': 'Linear', 'in_features': 3, 'out_features': 2}
    """
    return _own_header(path).get("modules", {})


def _own_header(path: str | os.PathLike) -> dict[str, Any]:
    with _open(path) as file:
        header = _header(path, file)
    if header is None:
        raise ValueError(f"{str(path)!r} was not written by tinyrnn: it has no metadata of ours")
    return header


# -- trees ---------------------------------------------------------------------------------------------------------


def _leaves(node: Any, path: str, lists: list[str]) -> Iterator[tuple[str, Any]]:
    """Every array and every other value below a node, with its path; the paths of lists are noted."""
    if hasattr(node, "state_dict"):
        node = node.state_dict()
    if isinstance(node, (list, tuple)) and path and not all(isinstance(item, PLAIN) for item in node):
        lists.append(path)
        node = {str(i): item for i, item in enumerate(node)}
    if isinstance(node, Mapping) and (node or not path):
        for key, child in node.items():
            if not isinstance(key, str) or "/" in key or not key:
                raise TypeError(f"io.save: a key must be a text without '/', not {key!r} (in {path or 'the mapping'})")
            yield from _leaves(child, f"{path}/{key}" if path else key, lists)
    elif not path:
        raise TypeError(f"io.save: expected a module, an optimiser or a mapping of them, not a {type(node).__name__}")
    elif isinstance(node, numpy.generic):
        yield path, node.item()
    elif isinstance(node, Value) or hasattr(node, "dtype"):
        yield path, _array(node, path)
    else:
        _json(path, node)
        yield path, node


def _modules(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each module of the tree, with the types and settings of its parts."""
    if isinstance(node, Module):
        yield path, {name: {"type": type(part).__name__, **_settings(part)} for name, part in node.modules()}
    elif isinstance(node, Mapping):
        for key, child in node.items():
            yield from _modules(child, f"{path}/{key}" if path else key)


def _settings(module: Module) -> dict[str, Any]:
    return {key: value for key, value in vars(module).items() if isinstance(value, PLAIN) and key not in ("name", "training")}


def _array(node: Any, path: str) -> numpy.ndarray:
    host = backend.to_host(node.data if isinstance(node, Value) else node)
    array = numpy.asarray(host, order="C")  # safetensors writes a strided array as if it were not
    if array.dtype.kind not in "biuf":
        raise TypeError(f"io.save: {path} has dtype {array.dtype}, expected numbers or bools")
    return array


def _json(what: str, value: Any) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"io.save: {what} cannot be saved: it is neither an array nor JSON ({error})") from None


def _tree(leaves: Mapping[str, Any], lists: list[str]) -> dict[str, Any]:
    """The tree again, out of its leaves by path."""
    root: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *above, key = path.split("/")
        node = root
        for name in above:
            node = node.setdefault(name, {})
        node[key] = leaf
    for path in sorted(lists, key=len, reverse=True):  # inner lists before those that hold them
        *above, key = path.split("/")
        node = root
        for name in above:
            node = node[name]
        items = node[key]
        node[key] = [items[str(i)] for i in range(len(items))]
    return root


def _restore(path: Any, tree: Mapping[str, Any], into: Any) -> None:
    """Put the states into their objects, all of them or none."""
    restored: list[tuple[Any, Any]] = []
    try:
        for target, state in _targets(path, tree, into):
            before = target.state_dict()
            target.load_state_dict(state)
            restored.append((target, before))
    except Exception:
        for target, before in restored:
            target.load_state_dict(before)
        raise


def _targets(path: Any, tree: Mapping[str, Any], into: Any) -> Iterator[tuple[Any, Any]]:
    """Each object, with the state in the file that is meant for it."""
    if into is None:
        return
    if hasattr(into, "load_state_dict"):
        inner = [key for key, child in tree.items() if isinstance(child, Mapping)]
        if inner:
            raise ValueError(
                f"{str(path)!r} holds more than one thing, {', '.join(tree)}: say which is what, e.g. into={{{inner[0]!r}: ...}}"
            )
        yield into, tree
        return
    if not isinstance(into, Mapping):
        raise TypeError(f"io.load: into must be a module, an optimiser or a mapping of them, not a {type(into).__name__}")
    for key, target in into.items():
        if key not in tree:
            raise ValueError(f"{str(path)!r} holds nothing called {key!r}; it holds {', '.join(tree) or 'nothing'}")
        if not isinstance(tree[key], Mapping):
            raise ValueError(f"{str(path)!r}: {key!r} is no state of a module or an optimiser, but {tree[key]!r:.60}")
        if not hasattr(target, "load_state_dict"):
            raise TypeError(f"io.load: into[{key!r}] must be a module or an optimiser, not a {type(target).__name__}")
        yield target, tree[key]


# -- files ---------------------------------------------------------------------------------------------------------


def _safetensors(what: str) -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(f"{what} needs the package safetensors: pip install 'tinyrnn[io]'") from None
    return safetensors


def _read(path: Any, file: Any, name: str) -> numpy.ndarray:
    found = file.get_slice(name).get_dtype()
    if found not in DTYPES:
        raise ValueError(
            f"{str(path)!r}: {name} has dtype {found}, which NumPy does not have: "
            "convert it to float32 with the program that wrote it"
        )
    return file.get_tensor(name)


def _open(path: str | os.PathLike) -> Any:
    safetensors = _safetensors("io.load")
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    try:
        return safetensors.safe_open(path, framework="numpy")
    except safetensors.SafetensorError as error:
        raise ValueError(f"{str(path)!r} is no safetensors file, or it is cut off ({error})") from None


def _header(path: Any, file: Any) -> dict[str, Any] | None:
    """Our part of the header, None if the file is another program's."""
    header = file.metadata() or {}
    if "tinyrnn" not in header:
        return None
    if not header["tinyrnn"].isdecimal() or int(header["tinyrnn"]) > FORMAT:
        raise ValueError(
            f"{str(path)!r} has format {header['tinyrnn']}, this tinyrnn reads up to {FORMAT}: install a newer one to read it"
        )
    parts = ("values", "lists", "metadata")
    if missing := [key for key in parts if key not in header]:
        raise ValueError(f"{str(path)!r} was not written by io.save: its header has tinyrnn, but no {', '.join(missing)}")
    try:
        found = {key: json.loads(header[key]) for key in (*parts, *(("modules",) if "modules" in header else ()))}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is damaged: its header is no JSON ({error})") from None
    shapes = {"values": dict, "lists": list, "metadata": dict, "modules": dict}
    if any(not isinstance(value, shapes[key]) for key, value in found.items()):
        raise ValueError(f"{str(path)!r} is damaged, or was not written by io.save: its header has other things than it should")
    return found
