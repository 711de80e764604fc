"""Templates are read as CloudFormation reads them: parameters, conditions, functions, nested stacks, SAM, and whatever is broken."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard import tables
from mlguard.artifacts import Artifact, kind_of
from mlguard.errors import Unreadable
from mlguard.findings import Gap
from mlguard.scanners import Context
from mlguard.scanners.infra import cloudformation
from mlguard.scanners.infra.cloudformation import MAX_RESOURCES
from mlguard.scanners.infra.cloudformation.nodes import snake
from mlguard.scanners.infra.operators import OPERATORS
from mlguard.scanners.infra.resources import Open, Resource, Unknown, shown
from mlguard.scanners.infra.yamltree import parse
from tests.scanning import found, scan


def read(root: Path, **files: str) -> list[Any]:
    """Return the records of templates, whose names have ``_`` for the dot before their suffix."""
    artifacts = []
    for name, text in files.items():
        path = name.replace("__", "/").replace("_yaml", ".yaml").replace("_json", ".json")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
        artifacts.append(Artifact(path, "cloudformation", len(text)))
    return [record for batch in cloudformation.read(artifacts, Context(root)) for record in batch]


def resources(root: Path, template: str) -> dict[str, Resource]:
    """Return the resources of one template by address."""
    return {one.address: one for one in read(root, template_yaml=template) if isinstance(one, Resource)}


def bucket_name(root: Path, value: str, rest: str = "") -> Any:
    """Return what a template's value comes to as the name of a bucket."""
    text = f"{rest}\nResources:\n  Data:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketName: {value}\n  Key: {{Type: AWS::KMS::Key}}\n"
    name = resources(root, text)["Data"].attributes.get("bucket")
    return shown(name) if isinstance(name, str) else name


PARAMETERS = """
Parameters:
  Name: {Type: String, Default: patients}
  Size: {Type: Number, Default: "5"}
  Zones: {Type: CommaDelimitedList, Default: "a, b,c"}
  Given: {Type: String}
  One: {Type: String, AllowedValues: [only]}
  Stage: {Type: String, AllowedValues: [dev, prod]}
  Net: {Type: "AWS::EC2::VPC::Id"}
  Image: {Type: "AWS::SSM::Parameter::Value<String>", Default: /images/one}
Mappings:
  Regions:
    eu-west-1: {name: ireland, same: x}
    eu-central-1: {name: frankfurt, same: x}
  Stages:
    prod: {name: big}
Conditions:
  Sure: !Equals [a, a]
  Never: !Equals [a, b]
  Maybe: !Equals [!Ref Given, x]
  Other: !Equals [!Ref Stage, test]
  Both: !And [!Condition Sure, !Condition Maybe]
  Neither: !And [!Condition Never, !Condition Maybe]
  Either: !Or [!Condition Sure, !Condition Maybe]
  Named: !Not [!Equals [!Ref Name, ""]]
  Loop: !Not [!Condition Loop]
"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("!Ref Name", "patients"),
        ("{Ref: Name}", "patients"),
        ("!Ref One", "only"),
        ("!Ref Size", 5),
        ('!Sub "${Name}-data"', "patients-data"),
        ('!Sub ["${x}-${Name}", {x: !Ref Size}]', "5-patients"),
        ('!Sub "${!Name}-data"', "${Name}-data"),
        ('!Sub "arn:${AWS::Partition}:s3"', "arn:aws:s3"),
        ('!Sub "${AWS::AccountId}-x"', "${AWS::AccountId}-x"),
        ('!Join ["-", [a, !Ref Name, b]]', "a-patients-b"),
        ('!Join [",", !Ref Zones]', "a,b,c"),
        ("{Fn::Join: ['', [a, {Ref: Name}]]}", "apatients"),
        ("!Select [1, [a, b, c]]", "b"),
        ("!Select [1, !Ref Zones]", "b"),
        ('!Select [0, !Split ["|", "x|y"]]', "x"),
        ("!FindInMap [Stages, prod, name]", "big"),
        ("!FindInMap [Regions, eu-west-1, name]", "ireland"),
        ("!FindInMap [Regions, !Ref 'AWS::Region', same]", "x"),
        ("!FindInMap [Stages, none, name, {DefaultValue: small}]", "small"),
        ("!If [Sure, a, b]", "a"),
        ("!If [Never, a, b]", "b"),
        ("!If [Other, a, b]", "b"),
        ("!If [Neither, a, b]", "b"),
        ("!If [Either, a, b]", "a"),
        ("!If [Named, a, b]", "a"),
        ("!If [Maybe, a, a]", "a"),
        ("!If [Sure, !Ref 'AWS::NoValue', b]", None),
        ("!Base64 abc", "abc"),
        ("!GetAtt Key.Arn", "${Key.arn}"),
        ("!GetAtt [Key, Arn]", "${Key.arn}"),
        ("{Fn::GetAtt: [Key, Arn]}", "${Key.arn}"),
        ("!Ref Key", "${Key.id}"),
        ("!Ref Net", "${Net.id}"),
        ('!Select [0, !Cidr ["10.0.0.0/16", 2, 8]]', "10.0.0.0/24"),
        ("!ImportValue shared-bucket", "${the import shared-bucket}"),
        ('"{{resolve:ssm:/names/one:1}}"', "${ssm:/names/one:1}"),
        ('!ToJsonString {a: !Ref Name}', '{"a":"patients"}'),
    ],
)  # fmt: skip
def test_a_value_comes_to_what_cloudformation_makes_of_it(tmp_path: Path, value: str, expected: Any) -> None:
    assert bucket_name(tmp_path, value, PARAMETERS) == expected


@pytest.mark.parametrize(
    "value",
    ["!Ref Given", "!Ref Stage", "!If [Maybe, a, b]", "!If [Loop, a, b]", "!If [Undeclared, a, b]", "!FindInMap [Regions, !Ref 'AWS::Region', name]",
     "!Transform {Name: Upper, Parameters: {x: a}}", "!Select [9, [a]]", "!Split [',', !Ref Given]", "!Ref Nothing", "!FindInMap [None, a, b]",
     "!Ref [a]", "!Sub [a, b, c]", "!Unheard of", "!If [Both, a, b]"],
)  # fmt: skip
def test_what_only_the_stack_knows_is_unknown_and_not_absent(tmp_path: Path, value: str) -> None:
    name = bucket_name(tmp_path, value, PARAMETERS)

    assert isinstance(name, Unknown) or name in ("a",)


@pytest.mark.parametrize(
    ("condition", "exists"), [("Sure", True), ("Never", False), ("Maybe", True), ("Other", False), ("Loop", True)]
)
def test_a_resource_exists_when_its_condition_does_not_say_otherwise(
    tmp_path: Path, condition: str, exists: bool
) -> None:
    template = f"{PARAMETERS}\nResources:\n  Data:\n    Type: AWS::S3::Bucket\n    Condition: {condition}\n"

    assert ("Data" in resources(tmp_path, template)) is exists


def test_a_hidden_parameter_is_never_shown_and_still_seen_as_a_literal_password(tmp_path: Path) -> None:
    template = """
Parameters:
  Secret: {Type: String, NoEcho: true, Default: hunter2hunter2}
Resources:
  Database:
    Type: AWS::RDS::DBInstance
    Properties:
      DBName: !Ref Secret
      MasterUserPassword: !Ref Secret
"""
    attributes = resources(tmp_path, template)["Database"].attributes

    assert "hunter2" not in attributes["db_name"]
    assert attributes["password"] == "hunter2hunter2"


def test_places_are_those_of_properties_and_of_the_logical_id(tmp_path: Path) -> None:
    template = """Resources:
  Data:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties:
      BucketName: a
      VersioningConfiguration:
        Status: Enabled
      BucketEncryption:
        ServerSideEncryptionConfiguration:
          - BucketKeyEnabled: true
            ServerSideEncryptionByDefault:
              SSEAlgorithm: aws:kms
"""
    every = resources(tmp_path, template)
    bucket, versioning = every["Data"], every["Data.VersioningConfiguration"]
    encryption = every["Data.BucketEncryption"]

    assert bucket.positions[()].line == 2
    assert bucket.positions["bucket",].line == 6
    assert bucket.attributes["deletion_policy"] == "Retain"
    assert versioning.kind == "aws_s3_bucket_versioning"
    assert versioning.positions["versioning_configuration", 0, "status"].line == 8
    assert versioning.references["bucket",] == ("Data",)
    assert encryption.positions["rule", 0, "apply_server_side_encryption_by_default", 0, "sse_algorithm"].line == 13
    assert encryption.attributes["rule"][0]["bucket_key_enabled"] is True


def test_messages_use_the_words_of_the_template(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "Resources:\n  Files:\n    Type: AWS::EFS::FileSystem\n  Search:\n    Type: AWS::OpenSearchService::Domain\n    Properties:\n"
        "      EncryptionAtRestOptions:\n        Enabled: false\n"
        "  Data:\n    Type: AWS::S3::Bucket\n    Properties: {AccessControl: PublicRead}\n"
    )
    report = scan(tmp_path, ("infra",))

    messages = [one.message for one in report.findings if one.rule == "tf/unencrypted-storage"]
    assert any("EncryptionAtRestOptions.Enabled is false" in one for one in messages)
    assert any("Encrypted is not set" in one for one in messages)
    assert not any("aws_" in one for one in messages)
    assert any("AccessControl is PublicRead" in one.message for one in report.findings)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("KmsKeyId", "kms_key_id"), ("KMSMasterKeyID", "kms_master_key_id"), ("SSEAlgorithm", "sse_algorithm"), ("CidrIpv6", "cidr_ipv6"),
     ("VPCSecurityGroups", "vpc_security_groups"), ("S3BucketName", "s3_bucket_name"), ("DBInstanceClass", "db_instance_class"),
     ("EnableIAMDatabaseAuthentication", "enable_iam_database_authentication"), ("MultiAZ", "multi_az")],
)  # fmt: skip
def test_a_property_is_spelled_as_terraform_does(name: str, expected: str) -> None:
    assert snake(name) == expected


def test_a_template_in_json_with_tabs_is_read_with_its_lines(tmp_path: Path) -> None:
    text = '{\n\t"Resources": {\n\t\t"Files": {\n\t\t\t"Type": "AWS::EFS::FileSystem",\n\t\t\t"Properties": {\n\t\t\t\t"Encrypted": false\n\t\t\t}\n\t\t}\n\t}\n}\n'
    (tmp_path / "stack.template").write_text(text)
    (tmp_path / "stack.json").write_text(text)

    assert found(scan(tmp_path, ("infra",)), "tf/unencrypted-storage") == [
        ("stack.json", 6, "tf/unencrypted-storage"), ("stack.template", 6, "tf/unencrypted-storage"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.yaml", "AWSTemplateFormatVersion: '2010-09-09'\n", "cloudformation"),
        ("a.yml", "Resources:\n  A:\n    Type: AWS::S3::Bucket\n", "cloudformation"),
        ("a.json", '{"Resources": {"A": {"Type": "AWS::S3::Bucket"}}}', "cloudformation"),
        ("a.template", '{"Resources": {"A": {"Type": "AWS::S3::Bucket"}}}', "cloudformation"),
        ("a.yaml", "Transform: AWS::Serverless-2016-10-31\nResources: {}\n", "cloudformation"),
        ("a.yaml", "Resources:\n  A:\n    Type: Custom::Thing\n    AWS: x\n", "cloudformation"),
        ("a.yaml", "apiVersion: v1\nkind: ConfigMap\ndata: {x: 'AWS::S3::Bucket'}\n", "kubernetes"),
        (
            "a.yaml",
            "Resources:\n  A:\n    Type: AWS::S3::Bucket\n    Metadata:\n      apiVersion: v1\n      kind: Pod\n",
            "cloudformation",
        ),
        ("a.yaml", "about: AWS::S3::Bucket is a type\n", "yaml"),
        ("a.json", '{"types": ["AWS::S3::Bucket"]}', "json"),
        ("a.md", "AWSTemplateFormatVersion: x\n", "markdown"),
    ],
)
def test_a_template_is_known_by_what_is_in_it(path: str, text: str, expected: str) -> None:
    assert kind_of(path, text.encode()) == expected


def test_the_region_that_sam_deploys_to_is_known(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "Resources:\n  Patients:\n    Type: AWS::S3::Bucket\n    Properties:\n      Tags: [{Key: data-classification, Value: personal}]\n"
    )
    (tmp_path / "samconfig.toml").write_text('[default.deploy.parameters]\nregion = "us-east-1"\n')

    assert found(scan(tmp_path, ("infra",)), "tf/disallowed-region") == [("t.yaml", 2, "tf/disallowed-region")]
    (tmp_path / "samconfig.toml").write_text('[default.deploy.parameters]\nregion = "eu-west-1"\n')
    assert not found(scan(tmp_path, ("infra",)), "tf/disallowed-region")


def test_rules_hold_for_what_sam_makes(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(SAM)
    report = scan(tmp_path, ("infra",))
    lines = dict(enumerate(SAM.splitlines(), 1))

    told = {(rule, lines[line].strip()) for _, line, rule in found(report)}
    assert ("tf/unauthenticated-endpoint", "AuthType: NONE") in told
    assert ("tf/unauthenticated-endpoint", "Open:") in told
    assert ("tf/open-cross-origin-policy", "Properties: {CorsConfiguration: true}") in told
    assert ("tf/wildcard-data-permission", '- {Effect: Allow, Action: "s3:*", Resource: "*"}') in told
    assert not [line for rule, line in told if rule == "tf/unauthenticated-endpoint" and line == "Closed:"]


def test_an_unknown_value_is_a_gap_and_no_finding(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "Parameters:\n  Encrypt: {Type: String}\nResources:\n  Files:\n    Type: AWS::EFS::FileSystem\n    Properties: {Encrypted: !Ref Encrypt}\n"
    )
    report = scan(tmp_path, ("infra",))

    assert not found(report, "tf/unencrypted-storage")
    assert any("the parameter Encrypt" in gap.reason for gap in report.gaps)


def test_a_condition_that_is_not_known_takes_nothing_away(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "Parameters:\n  Stage: {Type: String}\nConditions:\n  Prod: !Equals [!Ref Stage, prod]\nResources:\n  CustomerRecords:\n    Type: AWS::S3::Bucket\n"
        "    Properties:\n      PublicAccessBlockConfiguration: !If [Prod, {BlockPublicAcls: true}, !Ref 'AWS::NoValue']\n"
    )

    assert not found(scan(tmp_path, ("infra",)), "tf/missing-public-access-block")


def test_a_type_without_translation_keeps_its_name_and_gives_no_gap(tmp_path: Path) -> None:
    records = read(
        tmp_path,
        a_yaml="Resources:\n  A:\n    Type: AWS::NewThing::Box\n    Properties: {KmsKeyId: x, Tags: [{Key: a, Value: b}]}\n",
    )
    (one,) = [record for record in records if isinstance(record, Resource)]

    assert (one.kind, one.attributes["kms_key_id"], one.attributes["tags"]) == ("AWS::NewThing::Box", "x", {"a": "b"})
    assert not [record for record in records if isinstance(record, Gap)]


def test_a_macro_leaves_open_what_it_may_add(tmp_path: Path) -> None:
    template = """Resources:
  Files:
    Type: AWS::EFS::FileSystem
    Properties:
      Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://x/y}}
  Search:
    Type: AWS::OpenSearchService::Domain
    Properties:
      EncryptionAtRestOptions:
        Fn::Transform: {Name: Upper}
"""
    every = resources(tmp_path, template)

    assert isinstance(every["Files"].attributes, Open)
    assert isinstance(every["Search"].attributes["encrypt_at_rest"], Unknown)
    assert not found(scan(tmp_path, ("infra",)), "tf/unencrypted-storage")


def test_a_macro_for_the_whole_template_is_a_gap_and_hides_what_is_absent(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "Transform: [AWS::LanguageExtensions, Company]\nResources:\n  Files:\n    Type: AWS::EFS::FileSystem\n"
        "  Other:\n    Type: AWS::EFS::FileSystem\n    Properties: {Encrypted: false}\n"
    )
    report = scan(tmp_path, ("infra",))

    assert found(report, "tf/unencrypted-storage") == [("t.yaml", 7, "tf/unencrypted-storage")]
    assert any("the macro Company" in gap.reason for gap in report.gaps)


def test_a_loop_makes_one_resource_for_each_value(tmp_path: Path) -> None:
    template = """Transform: AWS::LanguageExtensions
Parameters:
  Names: {Type: CommaDelimitedList, Default: "a,b"}
Resources:
  Fn::ForEach::Stores:
    - Name
    - !Ref Names
    - Files${Name}:
        Type: AWS::EFS::FileSystem
        Properties:
          Encrypted: false
          PerformanceMode: !Ref Name
"""
    every = resources(tmp_path, template)

    assert {name: one.attributes["performance_mode"] for name, one in every.items()} == {"Filesa": "a", "Filesb": "b"}
    assert every["Filesb"].positions["encrypted",].line == 11


def test_loops_in_loops_end_and_say_so(tmp_path: Path) -> None:
    many = ",".join(map(str, range(3_000)))
    records = read(
        tmp_path,
        a_yaml=f"Resources:\n  Fn::ForEach::A:\n    - X\n    - [{many}]\n    - Fn::ForEach::B:\n        - Y\n        - [{many}]\n"
        "        - R${X}${Y}: {Type: AWS::S3::Bucket}\n",
    )

    assert len(records) < 50_000
    assert "too-large" in [record.kind for record in records if isinstance(record, Gap)]


NESTED = """Resources:
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: ./child/inner.yaml
      Parameters: {Encrypt: false}
  Data:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !GetAtt Inner.Outputs.Name}
"""
INNER = """Parameters:
  Encrypt: {Type: String, Default: true}
Resources:
  Files:
    Type: AWS::EFS::FileSystem
    Properties:
      Encrypted: !Ref Encrypt
Outputs:
  Name: {Value: from-inner}
"""


def test_a_nested_stack_is_read_with_the_parameters_of_its_parent(tmp_path: Path) -> None:
    records = read(tmp_path, top_yaml=NESTED, child__inner_yaml=INNER)
    every = {one.address: one for one in records if isinstance(one, Resource)}

    assert every["Inner/Files"].attributes["encrypted"] is False
    assert every["Inner/Files"].origin[0][0] == "Inner"
    assert every["Data"].attributes["bucket"] == "from-inner"
    assert "Files" not in every


@pytest.mark.parametrize(
    "url", ["https://s3.amazonaws.com/x/y.yaml", "../../etc/passwd", "/etc/passwd", "missing.yaml", "top.yaml"]
)
def test_a_nested_stack_from_elsewhere_is_left_alone(tmp_path: Path, url: str) -> None:
    records = read(tmp_path, top_yaml=NESTED.replace("./child/inner.yaml", url))

    assert {one.address for one in records if isinstance(one, Resource)} == {"Inner", "Data"}


def test_stacks_that_name_each_other_end(tmp_path: Path) -> None:
    text = "Resources:\n  Next:\n    Type: AWS::CloudFormation::Stack\n    Properties: {TemplateURL: %s.yaml}\n  Files: {Type: AWS::EFS::FileSystem}\n"
    records = read(tmp_path, a_yaml=text % "b", b_yaml=text % "a")

    assert len(records) < 100
    assert {one.path for one in records if isinstance(one, Resource)} == {"a.yaml", "b.yaml"}


SAM = """Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Timeout: 10
    Environment: {Variables: {COMMON: x}}
  Api: {TracingEnabled: true}
Resources:
  Serve:
    Type: AWS::Serverless::Function
    Properties:
      Handler: a.b
      Environment: {Variables: {OWN: y}}
      Policies:
        - AmazonS3FullAccess
        - S3ReadPolicy: {BucketName: !Ref Data}
        - Statement:
            - {Effect: Allow, Action: "s3:*", Resource: "*"}
      FunctionUrlConfig:
        AuthType: NONE
      Events:
        Open:
          Type: Api
          Properties: {Path: /a, Method: get}
        Closed:
          Type: Api
          Properties: {Path: /b, Method: get, Auth: {Authorizer: AWS_IAM}}
  Data: {Type: AWS::S3::Bucket}
  Table: {Type: AWS::Serverless::SimpleTable}
  Gate:
    Type: AWS::Serverless::HttpApi
    Properties: {CorsConfiguration: true}
  Flow:
    Type: AWS::Serverless::StateMachine
    Properties: {Definition: {StartAt: A, States: {A: {Type: Pass}}}}
"""


def test_sam_resources_become_what_the_transform_makes_of_them(tmp_path: Path) -> None:
    every = resources(tmp_path, SAM)
    function, role = every["Serve"], every["ServeRole"]

    assert function.attributes["timeout"] == 10
    assert function.attributes["environment"][0]["variables"] == {"COMMON": "x", "OWN": "y"}
    assert function.spelled[()] == "AWS::Serverless::Function"
    assert every["ServeUrl"].kind == "aws_lambda_function_url"
    assert every["ServeUrl"].attributes["authorization_type"] == "NONE"
    assert [json.loads(one["policy"])["Statement"][0]["Action"][:6] for one in role.attributes["inline_policy"]][
        1
    ] == "s3:*"
    assert every["ServeRole.ManagedPolicyArns"].attributes["policy_arn"] == "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    assert (every["Serve.Open"].attributes["authorization"], every["Serve.Closed"].attributes["authorization"]) == (
        "NONE",
        "AWS_IAM",
    )
    assert every["Gate"].attributes["cors_configuration"][0]["allow_origins"] == ["*"]
    assert every["Table"].kind == "aws_dynamodb_table"
    assert json.loads(every["Flow"].attributes["definition"])["StartAt"] == "A"
    assert "GateStage" in every


def test_the_globals_of_a_template_decide_where_a_function_says_nothing(tmp_path: Path) -> None:
    template = SAM.replace("  Api: {TracingEnabled: true}", "  Api: {Auth: {DefaultAuthorizer: Pool}}")

    assert resources(tmp_path, template)["Serve.Open"].attributes["authorization"] == "CUSTOM"


@pytest.mark.parametrize(
    "text",
    [
        "AWSTemplateFormatVersion: x\nResources:\n  - a\n",
        "AWSTemplateFormatVersion: x\nResources: [\n",
        "AWSTemplateFormatVersion: x\n\tResources: {}\n",
        '{"AWSTemplateFormatVersion": "x", "Resources": ',
        "AWSTemplateFormatVersion: x\n",
        "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\n"
        "e: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\nResources: {A: {Type: AWS::S3::Bucket, Properties: {B: [*f,*f,*f,*f]}}}\n",
    ],
)
def test_a_template_that_cannot_be_read_is_a_gap(tmp_path: Path, text: str) -> None:
    records = read(tmp_path, a_yaml=text)

    assert [record.kind for record in records if isinstance(record, Gap)] == ["unreadable"]


@pytest.mark.parametrize(
    "text",
    [
        "Resources: {A: 1, B: {Type: [x]}, C: {Type: AWS::S3::Bucket, Properties: 5}, D: {Type: AWS::S3::Bucket, Properties: [1, 2]}}",
        "Resources: {A: {Type: AWS::S3::Bucket, Properties: !Ref X, Condition: [1]}}\nParameters: [1]\nConditions: 5\nMappings: x\nOutputs: 3\nGlobals: [2]",
        "Parameters: {P: 5, Q: {Type: [1], Default: {a: b}}}\nConditions: {C: !Equals 5, D: !And x}\nResources: {A: {Type: AWS::EC2::Instance, Condition: C,"
        " Properties: {BlockDeviceMappings: x, NetworkInterfaces: {a: b}, Tags: {a: b}}}}",
        "Transform: {Name: {a: b}}\nResources: {A: {Type: AWS::Serverless::Function, Properties: {Events: [1], Policies: {a: 5}, FunctionUrlConfig: x}}}",
        "Resources: {Fn::ForEach::A: 5, Fn::ForEach::B: [x, [1, 2], {Y: {Type: AWS::S3::Bucket}}], Fn::Transform: {Name: x}}",
    ],
)
def test_odd_shapes_end_without_an_exception(tmp_path: Path, text: str) -> None:
    read(tmp_path, a_yaml=text)


def test_texts_that_grow_end(tmp_path: Path) -> None:
    long = "x" * 50_000
    uses = "\n".join(
        f"  B{i}:\n    Type: AWS::S3::Bucket\n    Properties: {{BucketName: !Sub '{'${P}' * 200}'}}" for i in range(300)
    )
    began = time.process_time()
    records = read(tmp_path, a_yaml=f"Parameters: {{P: {{Type: String, Default: {long}}}}}\nResources:\n{uses}\n")

    assert time.process_time() - began < 10
    assert any(isinstance(one, Resource) and isinstance(one.attributes["bucket"], Unknown) for one in records)


@pytest.mark.parametrize(
    "conditions",
    [
        "".join(f"  C{i}: !Not [!Condition C{i + 1}]\n" for i in range(4_000)),
        "".join(f"  C{i}: !And [!Condition C{i + 1}, !Condition C{i + 1}]\n" for i in range(60)),
        "".join(f"  C{i}: !Equals [!If [C{i + 1}, a, b], a]\n" for i in range(500)),
    ],
)
def test_conditions_that_ask_each_other_end(tmp_path: Path, conditions: str) -> None:
    read(tmp_path, a_yaml=f"Conditions:\n{conditions}Resources:\n  R: {{Type: AWS::S3::Bucket, Condition: C0}}\n")


def test_many_resources_take_time_in_proportion(tmp_path: Path) -> None:
    def cost(number: int) -> float:
        text = "Resources:\n" + "".join(
            f"  B{i}:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketName: !Sub b-${{AWS::Region}}-{i}\n"
            for i in range(number)
        )
        began = time.process_time()
        read(tmp_path, a_yaml=text)
        return time.process_time() - began

    cost(100)
    assert min(cost(4_000) for _ in range(2)) < 8 * max(min(cost(1_000) for _ in range(2)), 0.05)


def test_no_more_resources_are_judged_than_a_stack_may_have_and_the_report_says_so(tmp_path: Path) -> None:
    text = "Resources:\n" + "".join(f"  B{i}: {{Type: AWS::S3::Bucket}}\n" for i in range(MAX_RESOURCES + 1))

    records = read(tmp_path, a_yaml=text)

    assert sum(isinstance(one, Resource) and one.kind == "aws_s3_bucket" for one in records) == MAX_RESOURCES
    assert [one.kind for one in records if isinstance(one, Gap)] == ["too-large"]


@pytest.mark.parametrize("joiner", ["\n", ""], ids=["lines", "one line"])
def test_a_megabyte_of_resources_is_judged_in_time(tmp_path: Path, joiner: str) -> None:
    buckets = f",{joiner}".join(f'"B{i}": {{"Type": "AWS::S3::Bucket"}}' for i in range(25_000))
    (tmp_path / "template.json").write_text(f'{{"Resources": {{{joiner}{buckets}}}}}')
    began = time.process_time()

    report = scan(tmp_path, ["infra"])

    assert time.process_time() - began < 8, "four times what it takes on a machine that does nothing else"
    assert report.findings


VALID = (
    PARAMETERS
    + SAM.replace("Transform", "Transform ")
    + "  Db: {Type: AWS::RDS::DBInstance, Properties: {Engine: x, Tags: [{Key: a, Value: !Ref Name}]}}\n"
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(VALID)), length=st.integers(0, 60), filler=st.text(max_size=12))
def test_a_damaged_template_ends_in_records(tmp_path: Path, at: int, length: int, filler: str) -> None:
    text = (VALID[:at] + filler + VALID[at + length :]).encode("utf-8", "replace").decode()

    for record in read(tmp_path, a_yaml=text):
        assert record


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_any_bytes_end_in_records(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(
        b"AWSTemplateFormatVersion: x\nResources:\n  A:\n    Type: AWS::S3::Bucket\n    Properties: " + data
    )

    list(cloudformation.read([Artifact("a.yaml", "cloudformation", 1)], Context(tmp_path)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70_000) | st.sampled_from(["*", "a", "0.0.0.0/0", "AWS::NoValue", "Data", "Maybe", "Enabled"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["Ref", "Fn::GetAtt", "Fn::Sub", "Fn::If", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::FindInMap", "Fn::Cidr", "Fn::Transform",
                         "Fn::ForEach::X", "Fn::Equals", "Key", "Value", "Statement", "Effect", "Principal", "Ebs", "Rules", "Encrypted"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
TYPES = sorted(tables.table("cloudformation")["types"]["kinds"])
NAMES = ["BucketEncryption", "PolicyDocument", "BlockDeviceMappings", "Tags", "SecurityGroupIngress", "Policies", "ContainerDefinitions", "Events",
         "LifecycleConfiguration", "DistributionConfig", "Environment", "KeyPolicy", "Parameters", "LoadBalancerAttributes", "Users", "Properties",
         "LaunchTemplateData", "Logging", "AccessPolicies", "LogPublishingOptions", "FunctionUrlConfig", "ManagedPolicyArns", "Code"]  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from([*TYPES, "AWS::Serverless::Function", "AWS::Serverless::Api"]),
    properties=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
)
def test_any_value_of_any_property_ends_in_records(tmp_path: Path, kind: str, properties: dict[str, Any]) -> None:
    template = {
        "Conditions": {"Maybe": {"Fn::Equals": [{"Ref": "X"}, "y"]}},
        "Resources": {"Data": {"Type": kind, "Properties": properties}},
    }

    records = read(tmp_path, a_json=json.dumps(template))

    assert any(isinstance(record, Resource) for record in records)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(TYPES), properties=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
def test_rules_judge_any_value_of_any_property(tmp_path: Path, kind: str, properties: dict[str, Any]) -> None:
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {"Data": {"Type": kind, "Properties": properties}},
    }
    (tmp_path / "a.json").write_text(json.dumps(template, indent=1))

    assert not [gap for gap in scan(tmp_path, ("infra",)).gaps if gap.kind == "crash"]


def test_a_condition_of_a_statement_that_is_not_known_is_no_finding(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "Parameters:\n  Stage: {Type: String}\nConditions:\n  Prod: !Equals [!Ref Stage, prod]\nResources:\n  Policy:\n    Type: AWS::S3::BucketPolicy\n"
        "    Properties:\n      Bucket: data\n      PolicyDocument:\n        Statement:\n          - Effect: Allow\n            Principal: '*'\n            Action: s3:GetObject\n"
        "            Resource: '*'\n            Condition: !If [Prod, {StringEquals: {'aws:SourceVpce': x}}, !Ref 'AWS::NoValue']\n"
    )
    report = scan(tmp_path, ("infra",))

    assert not found(report, "tf/public-storage")
    assert any(gap.kind == "unresolved" for gap in report.gaps)


def test_a_statement_whose_conditions_are_not_known_allows_nobody_for_certain() -> None:
    statement = {
        "effect": "Allow",
        "principals": {"AWS": ["*"]},
        "narrow_keys": Unknown("x"),
        "limit_keys": Unknown("x"),
    }

    assert OPERATORS["iam_allows"](statement, {"principal": "*", "unless_condition": ["aws:source*"]}) is None
    assert OPERATORS["iam_allows"](statement, {"principal": "*"}) is True
    assert OPERATORS["iam_allows"](statement, {"principal": "someone", "unless_condition": True}) is False


def test_tags_of_yaml_become_the_functions_that_they_stand_for() -> None:
    tree = parse("a: !Sub x\nb: !GetAtt\n  - c\n  - d\ne: !If [f, !Ref g, h]\n", tags=True).trees[0]

    assert tree.value == {
        "a": {"Fn::Sub": "x"},
        "b": {"Fn::GetAtt": ["c", "d"]},
        "e": {"Fn::If": ["f", {"Ref": "g"}, "h"]},
    }
    assert tree.get("e", "Fn::If", 1, "Ref").at.line == 5  # type: ignore[union-attr]  # it is there
    assert parse("a: !Sub 5\n", tags=True).trees[0].value == {"a": {"Fn::Sub": "5"}}


def test_text_without_tags_is_read_as_before() -> None:
    with pytest.raises(Unreadable):
        parse("a: [", tags=True)
    assert parse("a: !Sub x\n").trees[0].value == {"a": "x"}
