"""A page of docs/ that a script makes: `--page` writes it, `--check` fails if it is an older one."""
import os, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def answer(path, make):
    """Does what the command line asks of the page that `make` makes; False if it asks nothing of it."""
    if sys.argv[1:] == ["--page"]:
        with open(os.path.join(ROOT, path), "w", encoding="utf-8") as file:
            file.write(make())
    elif sys.argv[1:] == ["--check"]:
        current = os.path.exists(os.path.join(ROOT, path)) and read(path) == make()
        sys.exit(0 if current else f"{path} is not what scripts/{os.path.basename(sys.argv[0])} --page makes")
    else:
        return False
    return True
