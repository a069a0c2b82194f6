//! `chancery budget`

use super::PageArgs;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Cell, fields};
use crate::session::Session;
use chancery_api::budget::{Account, Budget, BudgetAccounts, Measure, SetBudget};
use chancery_base::Name;
use clap::Subcommand;

/// Set how much may be spent, by whom and in what time, and see how much was.
#[derive(Debug, Subcommand)]
#[command(before_help = "\
Examples:
  chancery budget set refunds --amount cents --limit 500000 --per principal --window day
  chancery budget set model-calls --count --limit 10000 --per label:team --window month
  chancery budget list
  chancery budget show refunds
  chancery budget delete refunds")]
pub(crate) enum Command {
    Set(SetArgs),
    List(ListArgs),
    Show(ShowArgs),
    Delete(DeleteArgs),
}

/// Set a budget: in force when the command returns, and an entry in the ledger. What a bundle's obligation
/// `@obligation("budget") @budget("NAME")` demands it of is denied where it does not fit.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery budget set refunds --amount cents --limit 500000 --per principal --window day
  chancery budget set model-calls --count --limit 10000 --per label:team --window month
  chancery budget set pilots --count --limit 3")]
pub(crate) struct SetArgs {
    /// Its name.
    budget: Name,
    #[command(flatten)]
    counted: CountedArgs,
    /// What may be spent of an account within one window.
    #[arg(long, value_name = "N")]
    limit: u64,
    /// Who has an account each: `tenant`, `principal`, `definition`, or the values of a label, `label:NAME`.
    #[arg(long, value_name = "WHOM", default_value = "tenant")]
    per: String,
    /// When accounts begin anew: each `hour`, `day` or `month` (UTC), or each time such as `10m`; else never.
    #[arg(long, value_name = "WINDOW")]
    window: Option<String>,
}

/// What is counted.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct CountedArgs {
    /// Count hand-outs, or what an obligation's `@amount` says.
    #[arg(long)]
    count: bool,
    /// Count amounts, which an obligation's `@amount` says, in this unit, such as `EUR cents`.
    #[arg(long, value_name = "UNIT")]
    amount: Option<String>,
}

/// List the tenant's budgets.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery budget list
  chancery budget list -o json")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    page: PageArgs,
}

/// Show a budget, and the accounts in which something is counted, those with the least left first.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery budget show refunds
  chancery budget show refunds -o json")]
pub(crate) struct ShowArgs {
    /// Which.
    budget: Name,
}

/// Delete a budget and its accounts. What it is demanded of is denied from then on.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery budget delete refunds")]
pub(crate) struct DeleteArgs {
    /// Which.
    budget: Name,
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<Exit, CliError> {
    let client = session.client()?;
    match command {
        Command::List(args) => {
            return args.page.show(session, client.budgets(), |budgets| table(budgets, session)).await;
        }
        Command::Set(args) => {
            let set = client.budget_set(&args.budget, &terms(&args)).await?;
            session.out.show(&set, |budget| fields(of_budget(budget)))?;
        }
        Command::Show(args) => {
            let found = client.budget_get(&args.budget).await?;
            session.out.show(&found, |found| one(found, session))?;
        }
        Command::Delete(args) => {
            client.budget_delete(&args.budget).await?;
            session.out.say(&format!("budget `{}` is deleted; what demands it is denied", args.budget));
        }
    }
    Ok(Exit::Ok)
}

fn terms(args: &SetArgs) -> SetBudget {
    // One of the two is given: the group says so.
    let CountedArgs { count: _, amount } = &args.counted;
    SetBudget {
        measure: if amount.is_some() { Measure::Amount } else { Measure::Count },
        unit: amount.clone(),
        per: args.per.clone(),
        window: args.window.clone(),
        limit: args.limit,
    }
}

fn table(budgets: &[Budget], session: &Session) -> String {
    let mut grid = session.out.grid(&["BUDGET", "COUNTS", "LIMIT", "PER", "WINDOW", "SET", "BY"]);
    for budget in budgets {
        grid.row([
            Cell::from(budget.name.to_string()),
            Cell::from(counts(budget)),
            Cell::from(budget.limit.to_string()),
            Cell::from(budget.per.clone()),
            Cell::from(budget.window.clone()),
            Cell::from(crate::show::time(budget.set_at)),
            Cell::from(budget.set_by.to_string()),
        ]);
    }
    grid.text_or("no budgets")
}

fn counts(budget: &Budget) -> String {
    budget.unit.clone().unwrap_or_else(|| budget.measure.word().to_owned())
}

fn of_budget(budget: &Budget) -> [(&'static str, Option<String>); 7] {
    [
        ("budget", Some(budget.name.to_string())),
        ("counts", Some(counts(budget))),
        ("limit", Some(budget.limit.to_string())),
        ("per", Some(budget.per.clone())),
        ("window", Some(budget.window.clone().unwrap_or_else(|| "never over".to_owned()))),
        ("set", Some(crate::show::time(budget.set_at))),
        ("by", Some(budget.set_by.to_string())),
    ]
}

fn one(found: &BudgetAccounts, session: &Session) -> String {
    let window = [("since", found.since.map(crate::show::time)), ("until", found.until.map(crate::show::time))];
    let text = fields(of_budget(&found.budget).into_iter().chain(window));
    let mut grid = session.out.grid(&["HOLDER", "SETTLED", "RESERVED", "LEFT"]);
    for Account { holder, settled, reserved, left } in &found.accounts {
        grid.row([
            Cell::from(holder.as_deref().unwrap_or("the tenant").to_owned()),
            Cell::from(settled.to_string()),
            Cell::from(reserved.to_string()),
            Cell::from(left.to_string()),
        ]);
    }
    let more = found.accounts_total.saturating_sub(found.accounts.len());
    let more = if more == 0 { String::new() } else { format!("\nand {more} with more left") };
    format!("{text}\n{}{more}", grid.text_or("nothing is counted yet"))
}
