"""Checks a bill of materials against the schema that CycloneDX publishes."""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = open(sys.argv[1], encoding="utf-8").read()
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
if error is not None:
    sys.exit(f"{sys.argv[1]}: {error}")
# A validator that takes everything has checked nothing.
broken = text.replace('"specVersion": "1.5"', '"specVersion": 5', 1)
if broken == text or JsonStrictValidator(SchemaVersion.V1_5).validate_str(broken) is None:
    sys.exit("the validator took a broken bill of materials")
print(f"{sys.argv[1]}: valid CycloneDX 1.5")
