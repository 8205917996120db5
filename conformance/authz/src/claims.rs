//! What is claimed of the policies. A claim is a set of requests, written as a policy; it holds when the
//! policies that ship permit none of them.

/// A claim.
pub(crate) struct Claim {
    /// What it says.
    pub(crate) sentence: &'static str,
    /// The requests that are never permitted.
    pub(crate) of: &'static str,
    /// Rules without each of which it would not hold.
    pub(crate) stands_on: &'static [&'static str],
}

/// What is claimed.
pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        sentence: "no action crosses tenants",
        of: r"permit (principal, action, resource) when { principal.tenant != resource.tenant };",
        stands_on: &["guard.tenant"],
    },
    Claim {
        sentence: "a developer never reads a transcript, nor does whoever tunes bots or builds them by a role of the \
                   tenant's own",
        of: r#"permit (principal is User, action in Action::"transcript", resource)
               unless { principal.grants.bot_developer.isEmpty() && principal.grants.nlp_engineer.isEmpty() &&
                        !principal.custom.builds };"#,
        stands_on: &["separation.developer_transcripts"],
    },
    Claim {
        sentence: "a support role never changes a bot",
        of: r#"permit (principal is User, action in Action::"bot-change", resource)
               unless { principal.grants.support_agent.isEmpty() && principal.grants.support_manager.isEmpty() &&
                        !principal.custom.reads };"#,
        stands_on: &["separation.support_bots"],
    },
    Claim {
        sentence: "an auditor never writes",
        of: r#"permit (principal is User, action in Action::"write", resource)
               unless { principal.grants.compliance_auditor.isEmpty() };"#,
        stands_on: &["separation.auditor_read_only"],
    },
    Claim {
        sentence: "an auditor never reads a transcript",
        of: r#"permit (principal is User, action in Action::"transcript", resource)
               unless { principal.grants.compliance_auditor.isEmpty() };"#,
        stands_on: &["separation.auditor_transcripts"],
    },
    Claim {
        sentence: "nobody who audits holds a role that is audited",
        of: r#"permit (principal is User, action in Action::"audit", resource)
               when { !principal.grants.compliance_auditor.isEmpty() }
               unless { principal.grants.owner.isEmpty() && principal.grants.security_admin.isEmpty() &&
                        principal.grants.key_custodian.isEmpty() && principal.grants.support_manager.isEmpty() };"#,
        stands_on: &["separation.auditor_records"],
    },
    Claim {
        sentence: "nobody approves their own release",
        of: r#"permit (principal is User, action == Action::"release.approve", resource)
               when { resource has author && resource.author == principal };"#,
        stands_on: &["separation.own_release"],
    },
    Claim {
        sentence: "whoever is there to approve releases builds none",
        of: r#"permit (principal is User, action in Action::"bot-change", resource)
               when { !principal.grants.release_approver.isEmpty() && !principal.grants.bot_developer.isEmpty() };"#,
        stands_on: &["separation.approver_builds"],
    },
    Claim {
        sentence: "whoever may read what people said uses no key",
        of: r#"permit (principal is User, action in Action::"key-change", resource)
               unless { principal.grants.support_agent.isEmpty() && principal.grants.support_manager.isEmpty() &&
                        !principal.custom.reads };"#,
        stands_on: &["separation.readers_keys"],
    },
    Claim {
        sentence: "whoever may use a key reads nothing that people said",
        of: r#"permit (principal is User, action in Action::"transcript", resource)
               unless { principal.grants.key_custodian.isEmpty() && !principal.custom.keys };"#,
        stands_on: &["separation.custodian_transcripts"],
    },
    Claim {
        sentence: "keys are changed by custodians and by nobody else among people",
        of: r#"permit (principal is User, action in Action::"key-change", resource)
               when { principal.grants.key_custodian.isEmpty() && principal.custom.here.isEmpty() };"#,
        stands_on: &[],
    },
    Claim {
        sentence: "what people said is read by support and by nobody else among people",
        of: r#"permit (principal is User, action in Action::"transcript", resource)
               when { principal.grants.support_agent.isEmpty() && principal.grants.support_manager.isEmpty() &&
                      principal.custom.here.isEmpty() };"#,
        stands_on: &[],
    },
    Claim {
        sentence: "whoever keeps the keys appoints nobody and writes no rules",
        of: r#"permit (principal is User,
                       action in [Action::"iam.invite", Action::"iam.grant-role", Action::"policy-change",
                                  Action::"connection"], resource)
               unless { principal.grants.key_custodian.isEmpty() && !principal.custom.keys };"#,
        stands_on: &["separation.custodian_people"],
    },
    Claim {
        sentence: "nobody grants a role to themselves",
        of: r#"permit (principal is User, action == Action::"iam.grant-role", resource)
               when { resource.user == principal };"#,
        stands_on: &["separation.own_roles"],
    },
    Claim {
        sentence: "staff do nothing with one factor",
        of: r"permit (principal is User, action, resource) when { principal.assurance < 2 };",
        stands_on: &["guard.second_factor"],
    },
    Claim {
        sentence: "no sign-in lasts longer than twelve hours",
        of: r"permit (principal is User, action, resource) when { context.sign_in_age > 43200 };",
        stands_on: &["guard.fresh_sign_in"],
    },
    Claim {
        sentence: "keys, policies and sign-in rules are changed, and people invited, appointed and reset, only \
                   within five minutes of a proof",
        of: r#"permit (principal is User,
                       action in [Action::"key-change", Action::"policy-change", Action::"connection.manage",
                                  Action::"iam.invite", Action::"iam.grant-role", Action::"iam.reset-mfa"],
                       resource)
               when { context.sign_in_age > 300 };"#,
        stands_on: &["guard.step_up"],
    },
    Claim {
        sentence: "no key is kept and no owner made by a proof that can be phished, nor policies and sign-in rules \
                   changed",
        of: r#"permit (principal is User,
                       action in [Action::"key-change", Action::"iam.grant-owner", Action::"policy-change",
                                  Action::"connection.manage"], resource)
               when { principal.assurance < 3 };"#,
        stands_on: &["guard.phishing_resistant"],
    },
    Claim {
        sentence: "nobody makes themselves an owner",
        of: r#"permit (principal is User, action == Action::"iam.grant-owner", resource is Account)
               when { resource.user == principal };"#,
        stands_on: &["separation.own_roles"],
    },
    Claim {
        sentence: "nothing under a legal hold is erased, by whomever or by the calendar",
        of: r"permit (principal, action, resource is Person) when { resource.held };",
        stands_on: &["guard.legal_hold", "guard.legal_hold_own", "guard.legal_hold_retention"],
    },
    Claim {
        sentence: "nobody lifts a legal hold that they placed, nor the operator one that no member of staff placed",
        of: r#"permit (principal, action == Action::"privacy.lift-hold", resource)
               when {
                   (principal is User && resource has author && resource.author == principal) ||
                   (principal is Service && !(resource has author))
               };"#,
        stands_on: &["separation.own_hold"],
    },
    Claim {
        sentence: "whoever keeps the keys lifts no legal hold",
        of: r#"permit (principal is User, action == Action::"privacy.lift-hold", resource)
               unless { principal.grants.key_custodian.isEmpty() && !principal.custom.keys };"#,
        stands_on: &["separation.custodian_people"],
    },
    Claim {
        sentence: "people are erased by privacy officers and by nobody else among people",
        of: r#"permit (principal is User, action == Action::"privacy.erase", resource)
               when { principal.grants.privacy_officer.isEmpty() && principal.custom.here.isEmpty() };"#,
        stands_on: &[],
    },
    Claim {
        sentence: "no transcript is opened without a stated reason",
        of: r#"permit (principal is User, action == Action::"transcript.read", resource)
               when { !context.purpose };"#,
        stands_on: &["guard.purpose"],
    },
    Claim {
        sentence: "a bot is changed, and a conversation opened, only within the scope of a grant",
        of: r#"permit (principal is User,
                       action in [Action::"transcript", Action::"bot-change", Action::"key-change",
                                  Action::"audit", Action::"iam", Action::"policy"], resource)
               unless {
                   resource in principal.grants.owner || resource in principal.grants.bot_developer ||
                   resource in principal.grants.nlp_engineer || resource in principal.grants.release_approver ||
                   resource in principal.grants.support_agent || resource in principal.grants.support_manager ||
                   resource in principal.grants.security_admin || resource in principal.grants.compliance_auditor ||
                   resource in principal.grants.key_custodian || resource in principal.grants.privacy_officer ||
                   resource in principal.custom.here
               };"#,
        stands_on: &[],
    },
    Claim {
        sentence: "no role of a tenant's own changes roles, policies or sign-in rules",
        of: r#"permit (principal is User,
                       action in [Action::"policy-change", Action::"connection.manage", Action::"iam.invite",
                                  Action::"iam.grant-role", Action::"iam.grant-owner", Action::"iam.enable",
                                  Action::"iam.revoke-role", Action::"iam.reset-mfa"],
                       resource)
               when { principal.grants.owner.isEmpty() && principal.grants.security_admin.isEmpty() };"#,
        stands_on: &[],
    },
    Claim {
        sentence: "people who chat reach their own conversation and nothing else",
        of: r#"permit (principal is Visitor, action, resource is Conversation)
               when { resource.subject != principal || resource != principal.conversation };"#,
        stands_on: &[],
    },
    Claim {
        sentence: "no service of ours reads what people said",
        of: r#"permit (principal is Service, action in Action::"transcript", resource);"#,
        stands_on: &[],
    },
    Claim {
        sentence: "the edge, the engine and the siem service change nothing and use no key",
        of: r#"permit (principal is Service, action in [Action::"write", Action::"key"], resource)
               when { principal == Service::"edge" || principal == Service::"engine" ||
                      principal == Service::"siem" };"#,
        stands_on: &[],
    },
    Claim {
        sentence: "an API key does only what it was made for, where it was made for",
        of: r#"permit (principal is ApiKey, action, resource)
               unless { resource in principal.scope };"#,
        stands_on: &[],
    },
];

/// What is claimed falsely, to see that the solver can say no.
pub(crate) const FALSE: &[Claim] = &[
    Claim {
        sentence: "a developer never looks at a bot",
        of: r#"permit (principal is User, action == Action::"bot.read", resource)
               unless { principal.grants.bot_developer.isEmpty() };"#,
        stands_on: &[],
    },
    Claim {
        sentence: "nobody reads a transcript",
        of: r#"permit (principal is User, action == Action::"transcript.read", resource);"#,
        stands_on: &[],
    },
];
