# SPDX-License-Identifier: Apache-2.0
"""Prints the YAML files that it is given, as one JSON object by path: with CloudFormation's short forms spelled out, and
templates of SAM as SAM's own transform leaves them."""

import json
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """Where SAM would ask AWS for the managed policies; no template names one."""

    def load(self):
        return {}


def read(path):
    with open(path, encoding="utf-8") as file:
        document = yaml_parse(file.read())
    if not document.get("Transform"):
        return document
    # What `sam deploy` does once it has uploaded the code.
    properties = document["Resources"]["Function"]["Properties"]
    if properties.get("PackageType") == "Image":
        properties["ImageUri"] = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1"
    else:
        properties["CodeUri"] = "s3://bucket/app.zip"
    return transform(document, {}, NoManagedPolicies())


# YAML's word `on`, a key of workflows, is a boolean.
print(json.dumps({path: read(path) for path in sys.argv[1:]}, default=str))
