"""template.yaml as CloudFormation will see it: the SAM transform applied, every intrinsic resolved, no network."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ACCOUNT = "123456789012"
REGION = "eu-central-1"
STACK = "paidup-local"

_PLACEHOLDER_CODE = "s3://local/code"  # the translator refuses the folders that `sam deploy` would have uploaded
_SUBSTITUTION = re.compile(r"\$\{([^!}]+)\}")

logging.getLogger("samtranslator").setLevel(logging.ERROR)


class UnknownIntrinsic(Exception):
    """The template uses something that this reader has not been taught. It never guesses."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a resource type is referred to: its ARN, the property that names it, and what `!Ref` gives."""

    arn: str
    name: str = ""
    ref: Literal["name", "arn", "url"] = "name"


KINDS: Mapping[str, Kind] = {
    "AWS::ApiGateway::RestApi": Kind("apigateway:{region}::/restapis/{name}"),
    "AWS::CloudWatch::Alarm": Kind("cloudwatch:{region}:{account}:alarm:{name}"),
    "AWS::Cognito::UserPool": Kind("cognito-idp:{region}:{account}:userpool/{name}"),
    "AWS::DynamoDB::Table": Kind("dynamodb:{region}:{account}:table/{name}", "TableName"),
    "AWS::Events::EventBus": Kind("events:{region}:{account}:event-bus/{name}", "Name"),
    "AWS::Events::Rule": Kind("events:{region}:{account}:rule/{name}", "Name"),
    "AWS::IAM::Role": Kind("iam::{account}:role/{name}", "RoleName"),
    "AWS::KMS::Key": Kind("kms:{region}:{account}:key/{name}"),
    "AWS::Lambda::Function": Kind("lambda:{region}:{account}:function:{name}", "FunctionName"),
    "AWS::Lambda::LayerVersion": Kind("lambda:{region}:{account}:layer:{name}:1", ref="arn"),
    "AWS::Logs::LogGroup": Kind("logs:{region}:{account}:log-group:{name}:*", "LogGroupName"),
    "AWS::S3::Bucket": Kind("s3:::{name}", "BucketName"),
    "AWS::SES::ConfigurationSet": Kind("ses:{region}:{account}:configuration-set/{name}", "Name"),
    "AWS::SES::EmailIdentity": Kind("ses:{region}:{account}:identity/{name}", "EmailIdentity"),
    "AWS::SNS::Topic": Kind("sns:{region}:{account}:{name}", "TopicName", ref="arn"),
    "AWS::SQS::Queue": Kind("sqs:{region}:{account}:{name}", "QueueName", ref="url"),
    "AWS::SecretsManager::Secret": Kind("secretsmanager:{region}:{account}:secret:{name}", "Name", ref="arn"),
}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource with everything in it resolved. `id` is its logical id, `name` its physical one."""

    id: str
    type: str
    name: str
    arn: str
    properties: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)  # DeletionPolicy, DependsOn, …


@dataclass(frozen=True, slots=True)
class Template:
    """All resources that exist under the given parameters, in the order of the file."""

    resources: Mapping[str, Resource]
    parameters: Mapping[str, Any]

    def of(self, kind: str) -> Iterator[Resource]:
        return (r for r in self.resources.values() if r.type == kind)


def read_template(path: Path, parameters: Mapping[str, str] | None = None) -> Template:
    """Translate and resolve. `parameters` override the template's defaults."""
    raw = yaml_parse(path.read_text(encoding="utf-8"))
    _name_placeholder_code(raw)
    given = {name: p.get("Default") for name, p in raw.get("Parameters", {}).items()} | dict(parameters or {})
    session = boto3.Session(region_name=REGION)  # asked for its region only
    translated = Translator({}, Parser(), boto_session=session).translate(raw, dict(given))
    return _Resolver(translated, given).template()


def _name_placeholder_code(raw: dict[str, Any]) -> None:
    serverless = (r for r in raw["Resources"].values() if r["Type"].startswith("AWS::Serverless::"))
    for properties in [raw["Globals"]["Function"], *(r["Properties"] for r in serverless)]:
        for key in ("CodeUri", "ContentUri"):
            if key in properties:
                properties[key] = _PLACEHOLDER_CODE


class _Resolver:
    """Replaces intrinsics by what they come to in the account, region and stack of the local cloud."""

    def __init__(self, document: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        self._resources: Mapping[str, Any] = document["Resources"]
        self._conditions: Mapping[str, Any] = document.get("Conditions", {})
        self._known: Mapping[str, Any] = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": None,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackName": STACK,
            "AWS::URLSuffix": "amazonaws.com",
            **parameters,
        }

    def template(self) -> Template:
        present = {i: r for i, r in self._resources.items() if self._holds(r.get("Condition"))}
        return Template({i: self._resource(i, r) for i, r in present.items()}, self._known)

    def _resource(self, id_: str, raw: Mapping[str, Any]) -> Resource:
        properties = self._value(raw.get("Properties", {}))
        attributes = {key: value for key, value in raw.items() if key not in ("Type", "Properties")}
        arn = self._arn(id_) if raw["Type"] in KINDS else ""
        return Resource(id_, raw["Type"], self._name(id_), arn, properties, attributes)

    def _holds(self, condition: str | None) -> bool:
        return condition is None or bool(self._value(self._conditions[condition]))

    def _name(self, id_: str) -> str:
        raw = self._resources[id_]
        kind = KINDS.get(raw["Type"])
        if kind and kind.name and (given := self._value(raw.get("Properties", {}).get(kind.name))):
            return str(given)
        name = f"{STACK}-{id_}"
        return name.lower() if raw["Type"] == "AWS::S3::Bucket" else name

    def _arn(self, id_: str) -> str:
        kind = KINDS.get(self._resources[id_]["Type"])
        if kind is None:
            raise UnknownIntrinsic(f"the ARN of a {self._resources[id_]['Type']} ({id_})")
        return "arn:aws:" + kind.arn.format(region=REGION, account=ACCOUNT, name=self._name(id_))

    def _ref(self, name: str) -> Any:
        if name in self._known:
            return self._known[name]
        kind = KINDS.get(self._resources[name]["Type"])
        if kind and kind.ref == "arn":
            return self._arn(name)
        if kind and kind.ref == "url":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self._name(name)}"
        return self._name(name)

    def _attribute(self, id_: str, attribute: str) -> str:
        if attribute == "Arn":
            return self._arn(id_)
        if attribute in ("QueueName", "Name", "TopicName", "RootResourceId"):
            return self._name(id_)
        raise UnknownIntrinsic(f"!GetAtt {id_}.{attribute}")

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self._value, value) if item is not None]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            ((key, argument),) = value.items()
            if key == "Ref" or key.startswith("Fn::"):
                return self._intrinsic(key, argument)
        resolved = {key: self._value(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not None}

    def _intrinsic(self, name: str, argument: Any) -> Any:
        match name, argument:
            case "Ref", str():
                return self._ref(argument)
            case "Fn::GetAtt", str():
                return self._attribute(*argument.split(".", 1))
            case "Fn::GetAtt", [id_, attribute]:
                return self._attribute(id_, attribute)
            case "Fn::If", [condition, then, otherwise]:
                return self._value(then if self._holds(condition) else otherwise)
            case "Fn::Equals", [one, other]:
                return self._value(one) == self._value(other)
            case "Fn::Not", [condition]:
                return not self._value(condition)
            case "Fn::Join", [separator, parts]:
                return separator.join(str(part) for part in self._value(parts))
            case "Fn::Sub", str():
                return self._substitute(argument, {})
            case "Fn::Sub", [str(text), dict(extra)]:
                return self._substitute(text, extra)
        raise UnknownIntrinsic(f"{name} of {argument!r}")

    def _substitute(self, text: str, extra: Mapping[str, Any]) -> str:
        def replacement(match: re.Match[str]) -> str:
            name = match[1]
            if name in extra:
                return str(self._value(extra[name]))
            return str(self._attribute(*name.split(".", 1)) if "." in name else self._ref(name))

        return _SUBSTITUTION.sub(replacement, text)
