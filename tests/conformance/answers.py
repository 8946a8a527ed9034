"""Checks raw answers of an AWS endpoint against botocore's complete service models.

`watch(session)` hooks a `Checker` in between the wire and botocore's parser: every answer that any client of the session
gets is checked, and what is wrong with it is kept in `Checker.complaints`.
"""

import datetime
import io
import json
import re
import xml.etree.ElementTree as xml

from botocore.parsers import ResponseParserError, RpcV2CBORParser
from botocore.response import StreamingBody

# Errors that every service may give, declared or not (AWS: "Common Errors").
COMMON = {
    "AccessDeniedException", "AccessDenied", "IncompleteSignature", "InternalFailure", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException", "SerializationException", "ThrottlingException", "Throttling",
    "UnknownOperationException", "UnrecognizedClientException", "ValidationError", "ValidationException",
}
INTEGERS = {"integer": 31, "long": 63, "short": 15}


class Checker:
    """Answers that were checked, and what is wrong with them."""

    def __init__(self):
        self.complaints, self.seen, self.raw = [], {}, []

    def __call__(self, operation_model, response_dict, **_):
        status, body = response_dict["status_code"], response_dict["body"]
        if isinstance(body, StreamingBody):
            body = body.read()
            response_dict["body"] = StreamingBody(io.BytesIO(body), len(body))
        headers = {name.lower(): value for name, value in response_dict["headers"].items()}
        wrong = check(operation_model, status, headers, body)
        name = operation_model.name
        self.complaints += [f"{name} ({status}): {complaint}" for complaint in wrong]
        ends = self.seen.setdefault((operation_model.service_model.service_name, name), set())
        ends.add("ok" if status < 300 else code_of(operation_model, headers, body))
        self.raw.append((operation_model, status, headers, body))


def watch(session):
    checker = Checker()
    session.register("before-parse", checker)
    return checker


def check(operation, status, headers, body):
    """What is wrong with one raw answer."""
    protocol = operation.service_model.resolved_protocol
    wrong = [f"no {name} header" for name in ("date", "x-amzn-requestid") if not headers.get(name)]
    wrong += check_headers(operation, status, headers, body)
    try:
        if protocol == "query":
            return wrong + check_query(operation, status, body)
        if protocol == "json":
            return wrong + check_value(operation, status, json.loads(body), from_json)
        if protocol == "rest-json":
            return wrong + check_rest(operation, status, headers, body)
        if operation.output_shape is None and status == 200:
            return wrong + (["an answer where none is modelled"] if body else [])
        return wrong + check_value(operation, status, cbor(body), from_cbor)
    except (ValueError, xml.ParseError, ResponseParserError) as error:
        return wrong + [f"cannot be parsed: {error}"]


def cbor(body):
    return RpcV2CBORParser()._initial_body_parse(body)


def check_headers(operation, status, headers, body):
    """Content type and, of a service that spoke Query before, the code that an error had there."""
    metadata, protocol = operation.metadata, operation.service_model.resolved_protocol
    types = {"query": "text/xml", "json": f"application/x-amz-json-{metadata.get('jsonVersion')}", "rest-json": "application/json", "smithy-rpc-v2-cbor": "application/cbor"}
    wrong = []
    if headers.get("content-type") != (types[protocol] if body else None):
        wrong.append(f"content type {headers.get('content-type')}")
    if protocol == "smithy-rpc-v2-cbor" and headers.get("smithy-protocol") != "rpc-v2-cbor":
        wrong.append(f"smithy-protocol {headers.get('smithy-protocol')}")
    told = headers.get("x-amzn-query-error")
    if status < 300 or protocol == "query" or "awsQueryCompatible" not in metadata:
        return wrong + ([f"x-amzn-query-error {told}"] if told else [])
    shape = declared(operation, code_of(operation, headers, body))
    code = shape.metadata.get("error", {}).get("code", shape.name) if shape else None
    whose = "Sender" if status < 500 else "Receiver"
    if told is None or (told != f"{code};{whose}" if shape else not told.endswith(f";{whose}")):
        wrong.append(f"x-amzn-query-error {told}")
    return wrong


def check_rest(operation, status, headers, body):
    """A function's answer is any JSON; an error is named in a header."""
    if status < 300:
        return [] if not body or json.loads(body) is not False else ["no answer"]
    code = headers.get("x-amzn-errortype")
    shape = declared(operation, code)
    value = json.loads(body)
    if shape is None:
        return undeclared(code, status, value.get("message", value.get("Message")))
    return [f"unknown member {name}" for name in value if name not in shape.members] + wrong_status(shape, status)


def check_value(operation, status, value, form):
    if status < 300:
        if status != 200:
            return [f"status {status}"]
        if operation.output_shape is None:
            return [] if value == {} else ["an answer where none is modelled"]
        return list(violations(operation.output_shape, value, "", form))
    kind = value.pop("__type", None)
    if not isinstance(kind, str):
        return ["no __type"]
    shape = declared(operation, kind.rsplit("#")[-1])
    if shape is None:
        return undeclared(kind.rsplit("#")[-1], status, value.get("message"))
    # Services write Message or message, whatever their model says; readers take both.
    known = {"message", "Message", *shape.members}
    return [f"unknown member {name}" for name in value if name not in known] + wrong_status(shape, status)


def check_query(operation, status, body):
    root = xml.fromstring(body)
    namespace = operation.metadata["xmlNamespace"]
    wrong = [] if root.tag.startswith("{" + namespace + "}") else [f"namespace of {root.tag}"]
    for element in root.iter():
        element.tag = element.tag.rsplit("}")[-1]
    children = [child.tag for child in root]
    if status < 300:
        if root.tag != f"{operation.name}Response":
            wrong.append(f"root {root.tag}")
        if not root.findtext("ResponseMetadata/RequestId"):
            wrong.append("no ResponseMetadata/RequestId")
        shape = operation.output_shape
        if shape is None:
            return wrong
        wrapper = shape.serialization.get("resultWrapper")
        result = root.find(wrapper)
        if set(children) != {wrapper, "ResponseMetadata"} or result is None:
            return wrong + [f"the root has {children}"]
        return wrong + list(violations(shape, result, "", from_xml))
    if root.tag != "ErrorResponse" or set(children) != {"Error", "RequestId"}:
        return wrong + [f"an error that is {root.tag} with {children}"]
    code, kind = root.findtext("Error/Code"), root.findtext("Error/Type")
    wrong += [f"{child.tag} in an error" for child in root.find("Error") if child.tag not in ("Type", "Code", "Message", "Detail")]
    if kind != ("Sender" if status < 500 else "Receiver"):
        wrong.append(f"error type {kind}")
    shape = declared(operation, code)
    if shape is None:
        return wrong + undeclared(code, status, root.findtext("Error/Message"))
    return wrong + wrong_status(shape, status)


def code_of(operation, headers, body):
    protocol = operation.service_model.resolved_protocol
    if protocol == "query":
        return re.search(r"<Code>([^<]*)", body.decode())[1]
    if protocol == "rest-json":
        return headers["x-amzn-errortype"]
    value = json.loads(body) if protocol == "json" else cbor(body)
    return value.get("__type", "").rsplit("#")[-1]


def declared(operation, code):
    """The shape of an error that the operation may give."""
    # On the wire of the Query protocol the code is the one in `error`, where there is one. A service that spoke Query
    # before names the shape, and the code in a header.
    by_name = operation.service_model.resolved_protocol != "query" and "awsQueryCompatible" in operation.metadata
    for shape in operation.error_shapes:
        if code == (shape.name if by_name else shape.metadata.get("error", {}).get("code", shape.name)):
            return shape
    return None


def undeclared(code, status, message):
    if code not in COMMON:
        return [f"error {code} is not declared for this operation"]
    return ([] if message else ["no message"]) + ([] if 400 <= status < 600 else [f"status {status}"])


def wrong_status(shape, status):
    error = shape.metadata.get("error", {})
    expected = error.get("httpStatusCode", 500 if shape.metadata.get("fault") else 400)
    return [] if status == expected else [f"{shape.name} has status {status}, not {expected}"]


def violations(shape, value, path, form):
    """What is wrong with a value of a shape; `form` says how values look on the wire."""
    if value is None:
        yield f"{path}: null"
        return
    kind = shape.type_name
    if kind == "structure":
        members, broken = form.members(shape, value)
        yield from (f"{path}: {complaint}" for complaint in broken)
        for name in shape.required_members:
            if name not in members:
                yield f"{path}.{name}: required and not there"
        for name, member in members.items():
            yield from violations(shape.members[name], member, f"{path}.{name}", form)
    elif kind == "list":
        items, broken = form.items(shape, value)
        yield from (f"{path}: {complaint}" for complaint in broken)
        for item in items:
            yield from violations(shape.member, item, f"{path}[]", form)
        # AWS answers with empty lists where its own model wants one item at least (`Labels` in the AWS CLI's reference).
        yield from out_of_range(shape, max(len(items), 1), path)
    elif kind == "map":
        for key, item in form.entries(shape, value).items():
            yield from violations(shape.key, key, f"{path} key", from_json)
            yield from violations(shape.value, item, f"{path}.{key}", form)
    else:
        plain = form.plain(shape, value)
        if plain is None:
            yield f"{path}: {value!r} is no {kind}"
        elif kind in INTEGERS and not -(1 << INTEGERS[kind]) <= plain < 1 << INTEGERS[kind]:
            yield f"{path}: {plain} is too large"
        elif kind == "string":
            if getattr(shape, "enum", None) and plain not in shape.enum:
                yield f"{path}: {plain!r} is none of {shape.enum}"
            yield from out_of_range(shape, len(plain), path)
        elif kind in INTEGERS or kind in ("float", "double"):
            yield from out_of_range(shape, plain, path)


def out_of_range(shape, size, path):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        yield f"{path}: {size} is not within {low} and {high}"


class from_json:
    """Values as JSON has them."""

    @staticmethod
    def members(shape, value):
        if not isinstance(value, dict):
            return {}, [f"{value!r} is no structure"]
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        known = {names[key]: one for key, one in value.items() if key in names}
        return known, [f"unknown member {key}" for key in value if key not in names]

    @staticmethod
    def items(shape, value):
        return (value, []) if isinstance(value, list) else ([], [f"{value!r} is no list"])

    @staticmethod
    def entries(shape, value):
        return value if isinstance(value, dict) else {"": value}

    @staticmethod
    def plain(shape, value):
        kinds = {
            "string": str, "boolean": bool, "timestamp": (int, float), "float": (int, float), "double": (int, float),
            "integer": int, "long": int, "short": int, "blob": str,
        }
        wanted = kinds[shape.type_name]
        right = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
        return value if right else None


class from_cbor(from_json):
    """Values as CBOR has them: a time has a tag of its own, and a number is whole or not."""

    @staticmethod
    def plain(shape, value):
        wanted = {"timestamp": datetime.datetime, "float": float, "double": float, "blob": bytes}.get(shape.type_name)
        if wanted is None:
            return from_json.plain(shape, value)
        return value if isinstance(value, wanted) else None


class from_xml:
    """Values as the Query protocol has them."""

    @staticmethod
    def members(shape, element):
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        tags = [child.tag for child in element]
        wrong = [f"unknown member {tag}" for tag in tags if tag not in names]
        wrong += [f"{tag} more than once" for tag in set(tags) if tags.count(tag) > 1]
        if (element.text or "").strip():
            wrong.append(f"text {element.text!r} in a structure")
        return {names[child.tag]: child for child in element if child.tag in names}, wrong

    @staticmethod
    def items(shape, element):
        name = shape.member.serialization.get("name", "member")
        return list(element), [f"list element {child.tag}" for child in element if child.tag != name]

    @staticmethod
    def entries(shape, element):
        return {entry.findtext("key"): entry.find("value") for entry in element}

    @staticmethod
    def plain(shape, element):
        if len(element):
            return None
        text, kind = element.text or "", shape.type_name
        if kind == "string":
            return text
        if kind == "boolean":
            return {"true": True, "false": False}.get(text)
        if kind == "timestamp":
            return text if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text) else None
        try:
            return int(text) if kind in INTEGERS else float(text)
        except ValueError:
            return None
