# SPDX-License-Identifier: Apache-2.0
"""boto3, unmodified: calls an operation with the arguments of argv and prints what comes as lines of JSON."""

import base64
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, operation, arguments = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
client = boto3.client(
    "lambda",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
)
if "PayloadSize" in arguments:
    arguments["Payload"] = json.dumps("x" * (arguments.pop("PayloadSize") - 2))


def tell(**members):
    print(json.dumps({name: value for name, value in members.items() if value is not None}), flush=True)


try:
    answer = getattr(client, operation)(**arguments)
except ClientError as error:
    tell(
        exception=error.response["Error"]["Code"],
        status=error.response["ResponseMetadata"]["HTTPStatusCode"],
        message=error.response["Error"]["Message"],
    )
    sys.exit()

tell(
    status=answer["StatusCode"],
    version=answer.get("ExecutedVersion"),
    error=answer.get("FunctionError"),
    type=answer.get("ResponseStreamContentType"),
    log=base64.b64decode(answer["LogResult"]).decode() if "LogResult" in answer else None,
    payload=answer["Payload"].read().decode() if "Payload" in answer else None,
)
for event in answer.get("EventStream", []):
    if "PayloadChunk" in event:
        tell(chunk=event["PayloadChunk"]["Payload"].decode())
    else:
        complete = event["InvokeComplete"]
        if "LogResult" in complete:
            complete["LogResult"] = base64.b64decode(complete["LogResult"]).decode()
        tell(complete=complete)
