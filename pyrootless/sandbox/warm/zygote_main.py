"""The zygote's side of a warm run: imports, then a copy of this interpreter for each box.

What comes in: argv: how many words start the interpreter, then modules to import; on descriptor
0 the orders of the engine; in a copy one request: arguments and environment.
What goes out: in a copy, what `python3 FILE …`, `-c` or `-m` would have done, its exit status
among it.
Must never: look at a request in the zygote itself; keep memory that copies would share; leave a
frame or a module of its own in a copy beyond the one frame it cannot avoid.

It is executed as text by the interpreter of an image (3.9 or later) and imports nothing that an
interpreter has not imported at its start. csrc/sandbox/zygote/module.c does what Python cannot.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_STREAMS = ("stdin", "stdout", "stderr")


def _load_native() -> ModuleType:
    from _frozen_importlib_external import ExtensionFileLoader

    name = f"{os.path.dirname(__file__)}/_zygote.abi3.so"  # noqa: PTH120
    loader = ExtensionFileLoader("_zygote", name)
    spec = type(os.__spec__)("_zygote", loader, origin=name)
    module: ModuleType = loader.create_module(spec)
    loader.exec_module(module)
    return module


def _take_socket() -> int:
    """The orders' descriptor, out of the way of what modules open."""
    fd = os.dup(0)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    return fd


def _import_all(names: list[str]) -> None:
    if sys.version_info >= (3, 13):
        import linecache  # noqa: F401  # for `-c`, as the interpreter itself does
    for name in names:
        __import__(name)


def _check_memory() -> None:
    """Copies have memory of their own, but for what was mapped to be shared."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
        for line in maps:
            words = line.split(maxsplit=5)
            if "w" in words[1] and "s" in words[1]:
                what = words[5].strip() if len(words) > 5 else "anonymous"
                raise SystemExit(f"an import keeps writable memory that is shared: {what}")


def _forget_boot() -> None:
    """What the copies should not find."""
    own = os.path.dirname(__file__)  # noqa: PTH120
    sys.path[:] = [entry for entry in sys.path if entry != own]
    sys.path_importer_cache.pop(own, None)
    sys.modules.pop("_zygote", None)


# --- in a copy ---


def _renew_chance() -> None:
    """`random` does this itself after a fork; NumPy's global generator does not."""
    generator = sys.modules.get("numpy.random")
    if generator is not None:
        generator.seed()


def _set_environment(lines: list[bytes]) -> None:
    wanted = dict(line.split(b"=", 1) for line in lines)
    if dict(os.environb) == wanted:
        return
    os.environb.clear()
    os.environb.update(wanted)
    if "time" in sys.modules and b"TZ" in wanted:
        sys.modules["time"].tzset()


def _open_streams() -> None:
    """The interpreter made its own over other files, and has seen what kind these are."""
    for fd, name in enumerate(_STREAMS):
        old = getattr(sys, name)
        unbuffered = old is not sys.stdin and old.write_through
        mode = "rb" if fd == 0 else "wb"
        raw: Any = open(fd, mode, 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
        new = type(old)(
            raw,
            old.encoding,
            old.errors,
            "\n",
            fd == 2 or raw.isatty(),  # standard error
            unbuffered,
        )
        (raw.raw if hasattr(raw, "raw") else raw).name = f"<{name}>"
        new.mode = "r" if fd == 0 else "w"
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def _new_main(file: str | None) -> dict[str, Any]:
    module = type(sys)("__main__")
    names = module.__dict__
    if sys.version_info < (3, 14):
        names["__annotations__"] = {}
    names["__builtins__"] = sys.modules["builtins"]
    if file is None:
        names["__loader__"] = sys.modules["_frozen_importlib"].BuiltinImporter
    else:
        loader = sys.modules["_frozen_importlib_external"].SourceFileLoader
        names["__loader__"] = loader("__main__", file)
        names["__file__"] = file
        names["__cached__"] = None
    sys.modules["__main__"] = module
    return names


def _set_path(first: str) -> None:
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        sys.path.insert(0, first)


def _read_file(name: str, own: str) -> tuple[bytes, str]:
    """A program's source, and its absolute name as an interpreter writes it."""
    try:
        with open(name, "rb") as file:  # noqa: PTH123
            source = file.read()
    except OSError as error:
        text = f"{own}: can't open file {os.path.join(os.getcwd(), name)!r}: "  # noqa: PTH109, PTH118
        print(f"{text}[Errno {error.errno}] {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    return source, os.path.join(os.getcwd(), name)  # noqa: PTH109, PTH118


def _compile_words(text: str) -> Any:
    """The code of `-c`; from Python 3.13 on a traceback shows its lines."""
    code = compile(text, "<string>", "exec", 0, True)
    if "linecache" in sys.modules:
        register = getattr(sys.modules["linecache"], "_register_code", None)
        if register is not None:
            register(code, text, "<string>")
    return code


def _begin(wish: Any, skip: int) -> tuple[Any, tuple[Any, ...], Any]:
    """What to call with which words, and the names to execute the result with."""
    args, env = wish
    _set_environment(env)
    _open_streams()
    _renew_chance()
    words = [os.fsdecode(word) for word in args]
    sys.orig_argv = words
    own, words = words[0], words[skip:]
    compiler = sys.modules["builtins"].compile
    if words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        _set_path("")
        names = _new_main(None)
        try:
            code = _compile_words(words[1])
        except Exception:  # nobody's frame is to stand above it
            return compiler, (words[1], "<string>", "exec", 0, True), names
        return (lambda: code), (), names
    if words[0] == "-m":
        import runpy

        sys.argv = ["-m", *words[2:]]
        _set_path(os.getcwd())  # noqa: PTH109
        _new_main(None)
        return runpy._run_module_as_main, (words[1],), None  # type: ignore[attr-defined]
    sys.argv = words
    source, file = _read_file(words[0], own)
    _set_path(os.path.dirname(os.path.realpath(words[0])))  # noqa: PTH120
    return compiler, (source, file, "exec", 0, True), _new_main(file)


def _complain(error: BaseException, place: str) -> None:
    """As of an error that nobody can catch any more."""
    text = f"Exception ignored {place}:\n{type(error).__name__}: {error}\n"
    try:
        sys.stderr.write(text)
    except Exception:  # there is nowhere left to say it
        pass


def _join_threads() -> None:
    threading = sys.modules.get("threading")
    if threading is not None:
        try:
            threading._shutdown()
        except BaseException as error:
            _complain(error, "on threading shutdown")


def _flush_streams() -> bool:
    well = True
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name, None)
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception as error:
            if name == "stdout":
                well = False
                _complain(error, "while flushing sys.stdout")
    return well


def _drop_objects(known: frozenset[str]) -> None:
    """What the program made ends: modules, what is in them, then what refers to itself."""
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
    for name in reversed(list(sys.modules)):
        if name not in known or name == "__main__":
            del sys.modules[name]
    gc.collect()


def _write_files() -> None:
    """Files that are open still, because what the zygote imported holds them."""
    kind = sys.modules["io"].IOBase
    for thing in gc.get_objects():
        try:
            if isinstance(thing, kind) and not thing.closed:
                thing.flush()
        except Exception:  # as a destructor's
            pass


def _end(known: frozenset[str]) -> bool:
    """What the end of an interpreter does for its program; False: its output is not whole."""
    import atexit

    _join_threads()
    atexit._run_exitfuncs()
    well = _flush_streams()
    _drop_objects(known)
    _write_files()
    return _flush_streams() and well


if __name__ == "__main__":
    control, native = _take_socket(), _load_native()
    skip, names = int(sys.argv[1]), sys.argv[2:]
    _forget_boot()
    _import_all(names)
    _check_memory()
    gc.collect()
    gc.freeze()
    known = frozenset(sys.modules)
    wish = native.serve(control)
    if wish is not None:
        native.prepare(*_begin(wish, skip), lambda: _end(known))
        native.finish()
