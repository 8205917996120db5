//! What a user and a group may hold. This table is everything: what is kept of a resource, what the
//! discovery endpoints tell, how a value is compared.
//!
//! It is short on purpose. Postal addresses, telephone numbers, photographs and certificates that a
//! directory sends are not kept: a chatbot's staff console has no use for them, and what is not stored
//! cannot leak.

use serde_json::{Map, Value, json};

/// The kind of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A member of staff.
    User,
    /// A group of them.
    Group,
}

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// An attribute.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) value: ValueKind,
    pub(crate) many: bool,
    pub(crate) required: bool,
    pub(crate) exact: bool,
    pub(crate) unique: bool,
    pub(crate) read_only: bool,
    /// The words that it is usually one of.
    pub(crate) usual: &'static [&'static str],
}

#[derive(Debug)]
pub(crate) enum ValueKind {
    Text,
    Truth,
    Reference(&'static [&'static str]),
    Parts(&'static [Attribute]),
}

const fn text(name: &'static str, what: &'static str) -> Attribute {
    Attribute {
        name,
        what,
        value: ValueKind::Text,
        many: false,
        required: false,
        exact: false,
        unique: false,
        read_only: false,
        usual: &[],
    }
}

const fn truth(name: &'static str, what: &'static str) -> Attribute {
    Attribute { value: ValueKind::Truth, ..text(name, what) }
}

const fn parts(name: &'static str, what: &'static str, of: &'static [Attribute]) -> Attribute {
    Attribute { value: ValueKind::Parts(of), ..text(name, what) }
}

const fn read_only(attribute: Attribute) -> Attribute {
    Attribute { read_only: true, ..attribute }
}

const fn many(attribute: Attribute) -> Attribute {
    Attribute { many: true, ..attribute }
}

const fn reference(name: &'static str, what: &'static str, to: &'static [&'static str]) -> Attribute {
    Attribute { value: ValueKind::Reference(to), exact: true, ..text(name, what) }
}

const fn exact(attribute: Attribute) -> Attribute {
    Attribute { exact: true, ..attribute }
}

const NAME: &[Attribute] = &[
    text("formatted", "The whole name as it is shown."),
    text("familyName", "The family name."),
    text("givenName", "The given name."),
];

const EMAIL: &[Attribute] = &[
    text("value", "The address."),
    text("display", "How it is shown."),
    text("type", "For example `work`."),
    truth("primary", "Whether it is the one to use."),
];

const GROUP_OF_USER: &[Attribute] = &[
    read_only(exact(text("value", "The group's id."))),
    read_only(reference("$ref", "The group's address.", &["Group"])),
    read_only(text("display", "The group's name.")),
];

const USER_ATTRIBUTES: &[Attribute] = &[
    Attribute { required: true, unique: true, ..text("userName", "The name to sign in with.") },
    parts("name", "The name of the person.", NAME),
    text("displayName", "The name that colleagues see."),
    text("title", "What the person does."),
    text("preferredLanguage", "The language tag to greet in."),
    truth("active", "Whether the person may sign in. False ends every session at once."),
    many(parts("emails", "E-mail addresses.", EMAIL)),
    many(read_only(parts("groups", "The groups that the person is in.", GROUP_OF_USER))),
];

const MANAGER: &[Attribute] = &[
    exact(text("value", "The manager's id.")),
    reference("$ref", "The manager's address.", &["User"]),
    read_only(text("displayName", "The manager's name.")),
];

const ENTERPRISE_ATTRIBUTES: &[Attribute] = &[
    text("employeeNumber", "The number of the employee."),
    text("department", "The department."),
    parts("manager", "The manager.", MANAGER),
];

const MEMBER: &[Attribute] = &[
    exact(text("value", "The member's id.")),
    reference("$ref", "The member's address.", &["User"]),
    Attribute { usual: &["User"], ..text("type", "`User`.") },
];

const GROUP_ATTRIBUTES: &[Attribute] = &[
    Attribute { required: true, ..text("displayName", "The name of the group.") },
    many(parts("members", "Who is in it.", MEMBER)),
];

/// Attributes that every resource has.
pub(crate) const COMMON: &[Attribute] = &[
    read_only(exact(text("id", "The id here."))),
    exact(text("externalId", "The id at the directory.")),
    read_only(parts("meta", "When it was made and changed.", META)),
];

const META: &[Attribute] = &[
    read_only(exact(text("resourceType", "The kind."))),
    read_only(exact(text("created", "When it was made."))),
    read_only(exact(text("lastModified", "When it was last changed."))),
    read_only(reference("location", "Its address.", &["uri"])),
    read_only(exact(text("version", "Its version."))),
];

impl Kind {
    /// The kind's name, which its endpoint has in the plural.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// The endpoint below the service's address.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    pub(crate) const fn schema(self) -> &'static str {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
        }
    }

    pub(crate) const fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::User => USER_ATTRIBUTES,
            Self::Group => GROUP_ATTRIBUTES,
        }
    }

    pub(crate) const fn extension(self) -> Option<(&'static str, &'static [Attribute])> {
        match self {
            Self::User => Some((ENTERPRISE, ENTERPRISE_ATTRIBUTES)),
            Self::Group => None,
        }
    }

    /// An attribute of this kind by its name, in whatever case.
    pub(crate) fn find(self, name: &str) -> Option<&'static Attribute> {
        find(self.attributes(), name).or_else(|| find(COMMON, name))
    }
}

/// An attribute of a list by its name, in whatever case (RFC 7643, section 2.1).
pub(crate) fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

impl Attribute {
    /// Its parts; none when it has no parts.
    pub(crate) fn parts(&self) -> &'static [Attribute] {
        match self.value {
            ValueKind::Parts(parts) => parts,
            _ => &[],
        }
    }

    fn described(&self) -> Value {
        let mut told = json!({
            "name": self.name,
            "description": self.what,
            "type": match self.value {
                ValueKind::Text => "string",
                ValueKind::Truth => "boolean",
                ValueKind::Reference(_) => "reference",
                ValueKind::Parts(_) => "complex",
            },
            "multiValued": self.many,
            "required": self.required,
            "mutability": if self.read_only { "readOnly" } else { "readWrite" },
            "returned": "default",
        });
        let Some(members) = told.as_object_mut() else { return told };
        match self.value {
            ValueKind::Parts(parts) => {
                members.insert("subAttributes".to_owned(), parts.iter().map(Self::described).collect());
            }
            ValueKind::Reference(to) => {
                members.insert("referenceTypes".to_owned(), to.into());
                members.insert("caseExact".to_owned(), self.exact.into());
                members.insert("uniqueness".to_owned(), "none".into());
            }
            ValueKind::Text => {
                members.insert("caseExact".to_owned(), self.exact.into());
                members.insert("uniqueness".to_owned(), if self.unique { "server" } else { "none" }.into());
            }
            ValueKind::Truth => {}
        }
        if !self.usual.is_empty() {
            members.insert("canonicalValues".to_owned(), self.usual.into());
        }
        told
    }
}

/// What the discovery endpoints answer (RFC 7644, section 4): `/ServiceProviderConfig`,
/// `/ResourceTypes[/NAME]`, `/Schemas[/URN]`. `base` is the service's own address. `None` when there is
/// no such thing.
pub fn discovery(path: &str, base: &str) -> Option<Value> {
    let (first, rest) = path.trim_matches('/').split_once('/').unwrap_or((path.trim_matches('/'), ""));
    let all = |list: Vec<Value>| match rest {
        "" => Some(super::list_response(&list, list.len(), 1)),
        one => list.into_iter().find(|item| item["id"].as_str() == Some(one)),
    };
    match first {
        "ServiceProviderConfig" if rest.is_empty() => Some(service(base)),
        "ResourceTypes" => all([Kind::User, Kind::Group].map(|kind| resource_type(kind, base)).to_vec()),
        "Schemas" => all(vec![
            schema(USER, "User", "A member of staff.", USER_ATTRIBUTES, base),
            schema(GROUP, "Group", "A group of members of staff.", GROUP_ATTRIBUTES, base),
            schema(ENTERPRISE, "EnterpriseUser", "What an employer adds.", ENTERPRISE_ATTRIBUTES, base),
        ]),
        _ => None,
    }
}

fn service(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": super::MAX_PAGE },
        "changePassword": { "supported": false },
        "sort": { "supported": true },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token of one connection, made in the console; two may be live while one replaces the other.",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig") },
    })
}

fn resource_type(kind: Kind, base: &str) -> Value {
    let mut told = Map::new();
    let name = kind.name();
    told.insert("schemas".to_owned(), json!(["urn:ietf:params:scim:schemas:core:2.0:ResourceType"]));
    told.insert("id".to_owned(), name.into());
    told.insert("name".to_owned(), name.into());
    told.insert("endpoint".to_owned(), kind.endpoint().into());
    told.insert("description".to_owned(), name.into());
    told.insert("schema".to_owned(), kind.schema().into());
    if let Some((urn, _)) = kind.extension() {
        told.insert("schemaExtensions".to_owned(), json!([{ "schema": urn, "required": false }]));
    }
    told.insert(
        "meta".to_owned(),
        json!({ "resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}") }),
    );
    Value::Object(told)
}

fn schema(urn: &str, name: &str, what: &str, attributes: &[Attribute], base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": urn,
        "name": name,
        "description": what,
        "attributes": attributes.iter().map(Attribute::described).collect::<Vec<_>>(),
        "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{urn}") },
    })
}
