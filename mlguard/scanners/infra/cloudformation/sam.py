"""Takes the resources of SAM apart into those of CloudFormation that they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from mlguard import tables
from mlguard.scanners.infra.cloudformation.nodes import Node
from mlguard.scanners.infra.resources import REFERENCE, Position, Unknown, reference

MAX_DEPTH = 40
"""Levels at which the section Globals is merged with a resource."""


@dataclass(frozen=True, slots=True)
class Part:
    """One resource that SAM makes: its type, what comes after the logical id in its address, its place and properties."""

    type: str
    suffix: str
    at: Position
    properties: Node


def expanded(
    kind: str, name: str, properties: Node, at: Position, common: Node, apis: Mapping[str, Node]
) -> Iterator[Part]:
    """Yield what a resource of SAM becomes, the main part first. ``common`` is the section Globals, ``apis`` are the
    properties of the APIs of the template by logical id."""
    short = kind.removeprefix("AWS::Serverless::")
    shared = common.get(_GLOBALS.get(short, short))
    if shared is not None and isinstance(properties.children, dict):
        properties = _merged(shared, properties, 0)
    builder = _BUILDERS.get(short)
    if builder is None or not isinstance(properties.children, dict):
        yield Part(_FALLBACK.get(short, kind), "", at, properties)
        return
    yield from builder(_Resource(name, properties, at, common, apis))


_GLOBALS = {"SimpleTable": "SimpleTable", "StateMachine": "StateMachine"}
_FALLBACK = {
    "Function": "AWS::Lambda::Function", "Api": "AWS::ApiGateway::RestApi", "HttpApi": "AWS::ApiGatewayV2::Api",
    "SimpleTable": "AWS::DynamoDB::Table", "StateMachine": "AWS::StepFunctions::StateMachine",
    "LayerVersion": "AWS::Lambda::LayerVersion", "GraphQLApi": "AWS::AppSync::GraphQLApi", "Application": "AWS::CloudFormation::Stack",
}  # fmt: skip


def _merged(shared: Node, own: Node, depth: int) -> Node:
    """Return a resource's property with what Globals adds: objects and lists are joined, a single value is the resource's own."""
    if depth > MAX_DEPTH:
        return own
    if isinstance(shared.children, dict) and isinstance(own.children, dict):
        both = {
            name: _merged(shared.children[name], node, depth + 1) if name in shared.children else node
            for name, node in own.children.items()
        }
        return replace(own, children={**shared.children, **both}, open=own.open or shared.open)
    if isinstance(shared.children, list) and isinstance(own.children, list):
        return replace(own, children=[*shared.children, *own.children])
    return own


@dataclass(frozen=True, slots=True)
class _Resource:
    name: str
    properties: Node
    at: Position
    common: Node
    apis: Mapping[str, Node]

    def get(self, *path: str) -> Node | None:
        return self.properties.get(*path)

    def picked(self, names: Mapping[str, str]) -> dict[str, Node]:
        """Return some properties under the names that CloudFormation gives them; "a.b" makes an object."""
        found: dict[str, Node] = {}
        for own, other in names.items():
            node = self.get(own)
            if node is None:
                continue
            outer, _, inner = other.partition(".")
            if not inner:
                found[outer] = node
            else:
                held = found.setdefault(outer, Node(None, node.at, {}))
                if isinstance(held.children, dict):
                    held.children[inner] = node
        return found

    def node(self, children: dict[str, Node]) -> Node:
        return Node(None, self.at, children, open=self.properties.open)


_FUNCTION = {
    **{name: name for name in (
        "Handler", "Runtime", "FunctionName", "Description", "MemorySize", "Timeout", "Role", "Environment", "VpcConfig", "Tags",
        "KmsKeyArn", "Layers", "ReservedConcurrentExecutions", "Architectures", "EphemeralStorage", "LoggingConfig", "FileSystemConfigs",
        "CodeSigningConfigArn", "PackageType", "SnapStart", "ImageConfig", "PermissionsBoundary")},
    "InlineCode": "Code.ZipFile", "ImageUri": "Code.ImageUri", "Tracing": "TracingConfig.Mode", "CodeUri": "Code.S3Key",
}  # fmt: skip


def _function(one: _Resource) -> Iterator[Part]:
    picked = one.picked(_FUNCTION)
    picked.pop("PermissionsBoundary", None)
    queue = one.get("DeadLetterQueue", "TargetArn")
    if queue is not None:
        picked["DeadLetterConfig"] = Node(None, queue.at, {"TargetArn": queue})
    picked.setdefault("Role", Node(reference(f"{one.name}Role.arn"), one.at))
    yield Part("AWS::Lambda::Function", "", one.at, one.node(picked))
    address = one.get("FunctionUrlConfig")
    if address is not None:
        own = dict(address.children) if isinstance(address.children, dict) else {}
        own["TargetFunctionArn"] = Node(reference(f"{one.name}.arn"), address.at)
        yield Part("AWS::Lambda::Url", "Url", address.at, Node(None, address.at, own, open=address.open))
    yield from _role(one)
    yield from _events(one)


def _role(one: _Resource) -> Iterator[Part]:
    """Yield the role that SAM makes where the resource names none."""
    policies = one.get("Policies")
    if one.get("Role") is not None or policies is None:
        return
    managed: list[Node] = []
    inline: list[Node] = []
    for item in policies.items():
        if isinstance(item.children, dict):
            document = _document(item)
            inline.append(
                Node(None, item.at, {"PolicyName": Node(f"Policy{len(inline)}", item.at), "PolicyDocument": document})
            )
        elif isinstance(item.value, str):
            text = (
                item.value
                if item.value.startswith("arn:") or REFERENCE.search(item.value)
                else f"arn:aws:iam::aws:policy/{item.value}"
            )
            managed.append(replace(item, value=text))
        elif isinstance(item.value, Unknown):
            managed.append(item)
    children: dict[str, Node] = {}
    if managed:
        children["ManagedPolicyArns"] = Node(None, managed[0].at, managed)
    if inline:
        children["Policies"] = Node(None, inline[0].at, inline)
    yield Part("AWS::IAM::Role", "Role", policies.at, Node(None, policies.at, children))


@cache
def _templates() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = tables.table("cloudformation")["policy_templates"]["templates"]
    return found


def _document(item: Node) -> Node:
    """Return the document of a policy that is written out, or made from a policy template of SAM."""
    assert isinstance(item.children, dict)
    if "Statement" in item.children:
        return item
    name, given = next(iter(item.children.items()), ("", None))
    template = _templates().get(name)
    if template is None:
        return Node(Unknown(f"the policy template {name[:60]}"), item.at)
    values = [
        node.value
        for node in (given.children.values() if given is not None and isinstance(given.children, dict) else ())
    ]
    texts = [value for value in values if isinstance(value, str)]
    resource = str(template.get("resource", "*"))
    if "{}" in resource:
        resource = resource.replace("{}", texts[0]) if texts else reference(f"the resource of {name}")
    place = given.at if given is not None else item.at
    statement = {
        "Effect": Node("Allow", place), "Action": Node(None, place, [Node(action, place) for action in template["actions"]]),
        "Resource": Node(resource, place),
    }  # fmt: skip
    return Node(None, place, {"Statement": Node(None, place, [Node(None, place, statement)])})


def _events(one: _Resource) -> Iterator[Part]:
    events = one.get("Events")
    for name, event in events.children.items() if events is not None and isinstance(events.children, dict) else ():
        kind, given = event.get("Type"), event.get("Properties")
        properties = given if given is not None and isinstance(given.children, dict) else Node(None, event.at, {})
        if kind is None or kind.value not in ("Api", "HttpApi"):
            continue
        method = properties.get("Method")
        if method is not None and str(method.value).lower() == "options":
            continue
        yield _route(one, name, event, properties, kind.value == "Api")


def _route(one: _Resource, name: str, event: Node, properties: Node, rest: bool) -> Part:
    """Return the method or route of an event; who may call it is said there, else by the API, else by Globals."""
    auth = _api_auth(one, properties, rest)
    own = properties.get("Auth")
    authorizer = own.get("Authorizer") if own is not None else None
    if own is not None and isinstance(own.value, Unknown):
        authorizer = own
    if authorizer is None and auth is not None:
        authorizer = auth if isinstance(auth.value, Unknown) else auth.get("DefaultAuthorizer")
    kind: Any = "NONE"
    at = event.at
    if authorizer is not None:
        kind = (
            authorizer.value
            if isinstance(authorizer.value, Unknown)
            else _AUTHORIZERS.get(str(authorizer.value), "CUSTOM" if rest else "JWT")
        )
        at = authorizer.at if own is not None and own.get("Authorizer") is authorizer else event.at
    children = {"AuthorizationType": Node(kind, at)}
    key = own.get("ApiKeyRequired") if own is not None else None
    if key is None and auth is not None:
        key = auth.get("ApiKeyRequired")
    if key is not None:
        children["ApiKeyRequired"] = key
    method, path = properties.get("Method"), properties.get("Path")
    word = method.value.upper() if method is not None and isinstance(method.value, str) else "ANY"
    if rest:
        if method is not None:
            children["HttpMethod"] = replace(method, value=word)
        if path is not None:
            children["Path"] = path
    else:
        text = path.value if path is not None and isinstance(path.value, str) else ""
        children["RouteKey"] = Node(f"{word} {text}" if text else "$default", path.at if path is not None else event.at)
    return Part(
        "AWS::ApiGateway::Method" if rest else "AWS::ApiGatewayV2::Route",
        f".{name}",
        event.at,
        Node(None, event.at, children),
    )


_AUTHORIZERS = {"NONE": "NONE", "AWS_IAM": "AWS_IAM"}


def _api_auth(one: _Resource, properties: Node, rest: bool) -> Node | None:
    named = properties.get("RestApiId" if rest else "ApiId")
    shared = one.common.get("Api" if rest else "HttpApi", "Auth")
    if named is None:
        return shared
    names = REFERENCE.findall(named.value) if isinstance(named.value, str) else []
    api = one.apis.get(names[0].rpartition(".")[0].rpartition("/")[2]) if names else None
    if api is None:
        return Node(Unknown("the API of another template"), named.at)
    auth = api.get("Auth")
    return _merged(shared, auth, 0) if shared is not None and auth is not None else auth or shared


def _api(one: _Resource) -> Iterator[Part]:
    names = {
        "Name": "Name",
        "DefinitionBody": "Body",
        "EndpointConfiguration": "EndpointConfiguration",
        "Tags": "Tags",
        "Description": "Description",
        "DisableExecuteApiEndpoint": "DisableExecuteApiEndpoint",
    }
    yield Part("AWS::ApiGateway::RestApi", "", one.at, one.node(one.picked(names)))
    stage = {"StageName": "StageName", "AccessLogSetting": "AccessLogSetting", "MethodSettings": "MethodSettings", "TracingEnabled": "TracingEnabled",
             "Variables": "Variables", "CacheClusterEnabled": "CacheClusterEnabled", "CacheClusterSize": "CacheClusterSize", "CanarySetting": "CanarySetting"}  # fmt: skip
    picked = one.picked(stage)
    picked["RestApiId"] = Node(reference(f"{one.name}.id"), one.at)
    yield Part("AWS::ApiGateway::Stage", "Stage", one.at, one.node(picked))
    yield from _domain(one, "AWS::ApiGateway::DomainName")
    cors = one.get("Cors")
    origin = cors.get("AllowOrigin") or cors if cors is not None else None
    if origin is not None and isinstance(origin.value, str):
        parameters = Node(None, origin.at, {"gatewayresponse.header.Access-Control-Allow-Origin": origin})
        yield Part(
            "AWS::ApiGateway::GatewayResponse",
            "Cors",
            origin.at,
            Node(None, origin.at, {"ResponseParameters": parameters}),
        )


def _domain(one: _Resource, kind: str) -> Iterator[Part]:
    domain = one.get("Domain")
    if domain is not None and isinstance(domain.children, dict):
        found = {
            name: node
            for name, node in domain.children.items()
            if name in ("DomainName", "SecurityPolicy", "CertificateArn")
        }
        if kind.startswith("AWS::ApiGatewayV2") and "SecurityPolicy" in found:
            found["DomainNameConfigurations"] = Node(
                None, domain.at, [Node(None, domain.at, {"SecurityPolicy": found.pop("SecurityPolicy")})]
            )
        yield Part(kind, "Domain", domain.at, Node(None, domain.at, found, open=domain.open))


def _http_api(one: _Resource) -> Iterator[Part]:
    names = {
        "Name": "Name",
        "DefinitionBody": "Body",
        "CorsConfiguration": "CorsConfiguration",
        "Tags": "Tags",
        "Description": "Description",
        "DisableExecuteApiEndpoint": "DisableExecuteApiEndpoint",
    }
    picked = one.picked(names)
    cors = picked.get("CorsConfiguration")
    if cors is not None and cors.value is True:
        picked["CorsConfiguration"] = Node(None, cors.at, {"AllowOrigins": Node(None, cors.at, [Node("*", cors.at)])})
    picked["ProtocolType"] = Node("HTTP", one.at)
    yield Part("AWS::ApiGatewayV2::Api", "", one.at, one.node(picked))
    stage = one.picked(
        {
            "StageName": "StageName",
            "AccessLogSettings": "AccessLogSettings",
            "DefaultRouteSettings": "DefaultRouteSettings",
            "StageVariables": "StageVariables",
        }
    )
    stage.setdefault("StageName", Node("$default", one.at))
    stage["ApiId"] = Node(reference(f"{one.name}.id"), one.at)
    yield Part("AWS::ApiGatewayV2::Stage", "Stage", one.at, one.node(stage))
    yield from _domain(one, "AWS::ApiGatewayV2::DomainName")


def _table(one: _Resource) -> Iterator[Part]:
    yield Part("AWS::DynamoDB::Table", "", one.at, one.properties)


def _machine(one: _Resource) -> Iterator[Part]:
    names = {"Name": "StateMachineName", "Definition": "Definition", "Logging": "LoggingConfiguration", "Tracing": "TracingConfiguration",
             "Role": "RoleArn", "Type": "StateMachineType", "Tags": "Tags", "DefinitionSubstitutions": "DefinitionSubstitutions"}  # fmt: skip
    yield Part("AWS::StepFunctions::StateMachine", "", one.at, one.node(one.picked(names)))
    yield from _role(one)


def _graphql(one: _Resource) -> Iterator[Part]:
    picked = one.picked({"Name": "Name", "Tags": "Tags", "XrayEnabled": "XrayEnabled", "Logging": "LogConfig"})
    kind = one.get("Auth", "Type")
    if kind is not None:
        picked["AuthenticationType"] = kind
    yield Part("AWS::AppSync::GraphQLApi", "", one.at, one.node(picked))


_BUILDERS = {
    "Function": _function, "Api": _api, "HttpApi": _http_api, "SimpleTable": _table, "StateMachine": _machine, "GraphQLApi": _graphql,
}  # fmt: skip
