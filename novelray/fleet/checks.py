"""The doctor's judgements: small pure functions from what was measured to a Finding. `doctor.py` measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from novelray.fleet.findings import Finding

GIB = 1 << 30
OLDEST, TOO_NEW = (3, 11), (3, 14)
DISK_FAIL, DISK_WARN = 2 * GIB, 10 * GIB
SHM_SHARE = 0.3
FILES_WANTED = 4096


def python_version(version: tuple[int, int]) -> Finding:
    """NovelRay runs on Python 3.11 to 3.13."""
    found = f"{version[0]}.{version[1]}"
    if OLDEST <= version < TOO_NEW:
        return Finding("python", "ok", found)
    return Finding("python", "fail", f"{found}; 3.11 to 3.13 is needed", "make install PYTHON=python3.12")


def packages(installed: Mapping[str, str], needed: Sequence[str], pins: Mapping[str, str]) -> list[Finding]:
    """What is needed is there, at the version that the tests pass with. Names are normalised (`a-b`)."""
    missing = [name for name in needed if name not in installed]
    found = [
        Finding("packages", "fail", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    ] if missing else []  # fmt: skip
    differ = [
        f"{name} {installed[name]} (tested: {pins[name]})"
        for name in needed
        if name in installed and name in pins and _release(installed[name]) != _release(pins[name])
    ]
    if differ:
        found.append(Finding("versions", "warn", "; ".join(differ), "pip install -c constraints.txt -e ."))
    return found or [Finding("packages", "ok", f"{len(needed)} there" + (", as tested" if pins else ""))]


def token(path: str, mode: int | None) -> Finding:
    """The file with Ray's token. `mode`: its permission bits, None when there is no file."""
    if mode is None:
        return Finding(
            "ray token",
            "warn",
            f"none at {path}: a cluster started now would let anyone in who reaches its port",
            f"(umask 077; ray get-auth-token --generate) && chmod 600 {path}",
        )
    if mode & 0o077:
        what = f"{path} can be read by others (mode {mode:04o}); who has it can run code as you"
        return Finding("ray token", "warn", what, f"chmod 600 {path}")
    return Finding("ray token", "ok", path)


def disk(name: str, path: str, free: int, total: int) -> Finding:
    """Free bytes where something is written. Ray stops keeping objects on a disk that is 95 % full."""
    what = f"{free / GIB:.1f} of {total / GIB:.0f} GiB free at {path}"
    if free < DISK_FAIL:
        return Finding(name, "fail", what, f"free some space, or move it: {_move(name)}")
    if free < DISK_WARN or free < 0.05 * total:
        return Finding(name, "warn", f"{what}: little for models and checkpoints", _move(name))
    return Finding(name, "ok", what)


def shared_memory(size: int, memory: int) -> Finding:
    """/dev/shm holds Ray's objects, 30 % of the memory by default; when it is too small Ray uses the disk."""
    what = f"{size / GIB:.1f} GiB at /dev/shm, memory {memory / GIB:.1f} GiB"
    if size < SHM_SHARE * memory:
        wanted = f"{SHM_SHARE * memory / GIB:.0f}g"
        return Finding("shared memory", "warn", f"{what}: Ray will use the disk, slowly",
                       f"docker run --shm-size={wanted} ..., or mount -o remount,size={wanted} /dev/shm")  # fmt: skip
    return Finding("shared memory", "ok", what)


def gpus(driver: Sequence[str] | None, visible: int, torch_cuda: str | None) -> Finding:
    """`driver`: nvidia-smi, a line per GPU (None: no driver); `visible`: what torch sees; `torch_cuda`: its CUDA."""
    if not driver:
        return Finding("gpus", "ok", "none; training runs on the CPU")
    what = f"{len(driver)}: {'; '.join(driver)}"
    if torch_cuda is None:
        return Finding("gpus", "fail", f"{what}, but this torch is built for the CPU",
                       "reinstall torch in its CUDA build: https://pytorch.org/get-started/locally")  # fmt: skip
    if visible < len(driver):
        mend = "check CUDA_VISIBLE_DEVICES, and that the driver is new enough for this torch (nvidia-smi)"
        return Finding("gpus", "warn" if visible else "fail", f"{what}; torch (CUDA {torch_cuda}) sees {visible}", mend)
    return Finding("gpus", "ok", f"{what}; torch CUDA {torch_cuda}")


def port(number: int, purpose: str, is_free: bool) -> Finding:
    """A port that a default wants. Taken is no fault: it may be our own."""
    if is_free:
        return Finding(f"port {number}", "ok", f"free ({purpose})")
    return Finding(f"port {number}", "warn", f"taken ({purpose})", "if that is not yours: choose another port")


def terminal(encoding: str, chinese_fonts: bool | None) -> list[Finding]:
    """Whether Chinese can be printed, and drawn (`chinese_fonts` None: no way to tell)."""
    found = []
    if encoding.lower().replace("-", "") != "utf8":
        found.append(Finding("terminal", "warn", f"prints {encoding}: no Chinese", "export LANG=C.UTF-8"))
    if chinese_fonts is False:
        found.append(Finding("fonts", "warn", "no Chinese font on this machine: plots made here show boxes",
                             "apt-get install fonts-noto-cjk"))  # fmt: skip
    return found or [Finding("terminal", "ok", "UTF-8")]


def extras(missing: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Optional extras, by name, with the packages of each that are not installed. Never a fault."""
    return [
        Finding(
            f"extra {name}", "ok", f"not installed (optional): {', '.join(lacking)}", f'pip install "novelray[{name}]"'
        )
        for name, lacking in sorted(missing.items())
        if lacking
    ]


def open_files(limit: int) -> Finding:
    """Each worker holds many sockets and files open."""
    if limit < FILES_WANTED:
        return Finding("open files", "warn", f"at most {limit}", f"ulimit -n {FILES_WANTED * 16}")
    return Finding("open files", "ok", f"at most {limit}")


def storage(where: str, problem: str | None, node: str = "") -> Finding:
    """Whether a file could be written, read back and deleted. `node`: where it was tried."""
    name = f"storage from {node}" if node else "storage"
    if problem is None:
        return Finding(name, "ok", f"{where} is writable")
    return Finding(name, "fail", f"{where}: {problem}", "make it writable, or set storage.root to what all nodes reach")


def _release(version: str) -> str:
    return version.split("+")[0]  # 2.13.0+cpu is 2.13.0


def _move(name: str) -> str:
    knobs = {"storage disk": "storage.root in the recipe", "cache disk": "NOVELRAY_CACHE", "ray disk": "RAY_TMPDIR"}
    return f"another disk by {knobs[name]}" if name in knobs else "another disk"
