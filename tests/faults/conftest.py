"""The filter and the fixture of the end-to-end tests, and their rig, for these tests too."""

import importlib.util
import sys
from pathlib import Path

END_TO_END = Path(__file__).resolve().parent.parent / "e2e"
sys.path[:0] = [str(END_TO_END), str(END_TO_END.parent)]

spec = importlib.util.spec_from_file_location("end_to_end_conftest", END_TO_END / "conftest.py")
theirs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(theirs)

pytest_addoption = theirs.pytest_addoption
pytest_collection_modifyitems = theirs.pytest_collection_modifyitems
running = theirs.running
