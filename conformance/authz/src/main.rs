//! Judges the policies that ship, in three ways. It asks the guard every question of the survey and holds
//! the answers against the invariants. It takes every policy out, one by one, and sees whether a decision
//! falls otherwise. And it has every claim of `claims.rs` proved by a solver: not for the questions of a
//! list, but for every request that the schema allows, whatever the person, the grants and the tenant.
//!
//! The last line of output is one line of JSON with the figures. `CVC5` names the solver; without it `cvc5`
//! is looked for. Where there is none, that is said, and the figures say `"solver": false`.

mod claims;

use std::process::ExitCode;

use cedar_policy::{
    ActionConstraint, Entities, PolicyId, PolicySet, PrincipalConstraint, RequestEnv, Schema,
};
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet};
use guard::{Guard, INVARIANTS, PolicyFiles};

use crate::claims::{CLAIMS, Claim, FALSE};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match judge() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("authz-judge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn judge() -> Result<bool, Failure> {
    let (files, guard) = (PolicyFiles::shipped(), Guard::embedded()?);
    let survey = guard.survey();
    let broken = survey.broken(&guard);
    println!(
        "survey    {} questions, {} permitted, {} invariants",
        survey.len(),
        survey.permitted(),
        INVARIANTS.len()
    );
    for found in &broken {
        println!("  BROKEN  {}: {}", found.invariant, found.example);
    }

    let rules = guard.rules();
    let (mutants, mut killed) = (rules.len(), 0);
    for rule in &rules {
        match survey.misses(&guard, &files, &rule.id) {
            Some(false) => println!("  LIVES   nothing notices that `{}` is gone", rule.id),
            Some(true) | None => killed += 1,
        }
    }
    println!("mutants   {killed} of {mutants} noticed");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    // A bound for each question, not for all of them together: a busy machine is slow.
    let solver = LocalSolver::cvc5_with_args(["--tlimit-per=60000"]);
    drop(entered);
    let proofs = match solver {
        Err(error) => {
            println!("proofs    none: there is no solver here ({error}); install cvc5");
            Proofs::default()
        }
        Ok(solver) => runtime.block_on(prove(&files, solver))?,
    };
    println!(
        r#"{{"name":"authz-policies","figures":{{"checks":{},"permitted":{},"invariants":{},"broken":{},"mutants":{mutants},"killed":{killed},"solver":{},"claims":{},"proofs":{},"environments":{},"needed_rules_refuted":{},"false_claims_refuted":{}}}}}"#,
        survey.len(),
        survey.permitted(),
        INVARIANTS.len(),
        broken.len(),
        proofs.solver,
        CLAIMS.len(),
        proofs.proved,
        proofs.environments,
        proofs.refuted,
        proofs.control,
    );
    let proved = !proofs.solver || proofs.sound;
    Ok(broken.is_empty() && killed == mutants && proved)
}

#[derive(Default)]
struct Proofs {
    solver: bool,
    proved: usize,
    /// How often a claim fell when a rule that it stands on was taken out.
    refuted: usize,
    /// How many claims that are false were found false.
    control: usize,
    environments: usize,
    sound: bool,
}

async fn prove(files: &PolicyFiles, solver: LocalSolver) -> Result<Proofs, Failure> {
    let mut proofs = Proofs { solver: true, sound: true, ..Proofs::default() };
    let (schema, _) = Schema::from_cedarschema_str(PolicyFiles::schema())?;
    let shipped = shipped(files)?;
    let environments: Vec<RequestEnv> = schema.request_envs().collect();
    proofs.environments = environments.len();
    let actions = schema.action_entities()?;
    let mut compiled = Vec::new();
    for environment in &environments {
        compiled.push(CompiledPolicySet::compile(&shipped, environment, &schema)?);
    }
    let mut symbolic = CedarSymCompiler::new(solver)?;
    for claim in CLAIMS {
        let claimed: PolicySet = claim.of.parse()?;
        let mut meeting = None;
        for (environment, ours) in environments.iter().zip(&compiled) {
            if !concerns(&claimed, environment, &actions) {
                continue;
            }
            let theirs = CompiledPolicySet::compile(&claimed, environment, &schema)?;
            if !symbolic.check_disjoint_opt(ours, &theirs).await? {
                meeting = Some(environment);
                break;
            }
        }
        match meeting {
            None => {
                proofs.proved += 1;
                println!("  proved  {}", claim.sentence);
            }
            Some(environment) => {
                proofs.sound = false;
                println!("  FALSE   {} ({environment:?})", claim.sentence);
            }
        }
        for rule in claim.stands_on {
            let refuted = falls_without(&mut symbolic, &shipped, rule, claim, &environments, &schema).await?;
            proofs.refuted += usize::from(refuted);
            if !refuted {
                proofs.sound = false;
                println!("  IDLE    it is proved without `{rule}` as well");
            }
        }
    }
    for claim in FALSE {
        let refuted = falls(&mut symbolic, &shipped, claim, &environments, &schema).await?;
        proofs.control += usize::from(refuted);
        proofs.sound &= refuted;
    }
    println!(
        "proofs    {} of {} claims over {} request environments; {} fell when a rule was taken out; {} of {} false \
         ones were found false",
        proofs.proved,
        CLAIMS.len(),
        proofs.environments,
        proofs.refuted,
        proofs.control,
        FALSE.len()
    );
    Ok(proofs)
}

/// All policies as one set, each under its `@id`.
fn shipped(files: &PolicyFiles) -> Result<PolicySet, Failure> {
    let mut all = PolicySet::new();
    for (_, text) in files.iter() {
        let parsed: PolicySet = text.parse()?;
        for policy in parsed.policies() {
            let id = policy.annotation("id").ok_or("a policy has no `@id`")?;
            all.add(policy.new_id(PolicyId::new(id)))?;
        }
    }
    Ok(all)
}

/// Whether a claim speaks of this kind of principal and this action at all.
fn concerns(claimed: &PolicySet, environment: &RequestEnv, actions: &Entities) -> bool {
    let action = environment.action();
    claimed.policies().any(|policy| {
        let by = match policy.principal_constraint() {
            PrincipalConstraint::Is(name) | PrincipalConstraint::IsIn(name, _) => {
                name == *environment.principal()
            }
            PrincipalConstraint::Eq(uid) => uid.type_name() == environment.principal(),
            PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        };
        let about = match policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(one) => one == *action,
            ActionConstraint::In(any) => {
                any.iter().any(|one| one == action || actions.is_ancestor_of(one, action))
            }
        };
        by && about
    })
}

async fn falls_without(
    symbolic: &mut CedarSymCompiler<LocalSolver>,
    shipped: &PolicySet,
    rule: &str,
    claim: &Claim,
    environments: &[RequestEnv],
    schema: &Schema,
) -> Result<bool, Failure> {
    let mut without = shipped.clone();
    without.remove_static(PolicyId::new(rule))?;
    falls(symbolic, &without, claim, environments, schema).await
}

/// Whether there is a request that the policies permit and the claim says there is not.
async fn falls(
    symbolic: &mut CedarSymCompiler<LocalSolver>,
    policies: &PolicySet,
    claim: &Claim,
    environments: &[RequestEnv],
    schema: &Schema,
) -> Result<bool, Failure> {
    let claimed: PolicySet = claim.of.parse()?;
    let actions = schema.action_entities()?;
    for environment in environments.iter().filter(|environment| concerns(&claimed, environment, &actions)) {
        let ours = CompiledPolicySet::compile(policies, environment, schema)?;
        let theirs = CompiledPolicySet::compile(&claimed, environment, schema)?;
        if !symbolic.check_disjoint_opt(&ours, &theirs).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
