"""A person's rows can be found, handed over and erased."""

import unittest

import pyarrow as pa

from churn import rights


def table():
    return pa.table({"customer_key": ["a", "b", "a"], "support_calls": [1, 2, 3]})


class RightsTest(unittest.TestCase):
    def test_access_returns_the_rows_of_one_key_only(self):
        rows = rights.export_subject(table(), "a")

        self.assertEqual([row["support_calls"] for row in rows], [1, 3])

    def test_erasure_leaves_no_row_of_the_key(self):
        left = rights.erase_subject(table(), "a")

        self.assertEqual(left.column("customer_key").to_pylist(), ["b"])
