"""Tests of mlguard. What the person who runs them has at home, such as a database of advisories, is not seen by them."""

import os

os.environ["XDG_DATA_HOME"] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "no-such-home")
