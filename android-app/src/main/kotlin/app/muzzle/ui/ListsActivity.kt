package app.muzzle.ui

import android.app.AlertDialog
import android.content.Intent
import android.os.Bundle
import android.text.InputType
import android.text.format.Formatter
import android.widget.Button
import android.widget.EditText
import android.widget.TextView
import app.muzzle.R
import app.muzzle.core.CoreException
import app.muzzle.core.HostList
import app.muzzle.core.Seen
import app.muzzle.core.Verdict
import app.muzzle.graph
import app.muzzle.lists.LONGEST_LIST
import app.muzzle.lists.ListImports
import app.muzzle.lists.LongList
import app.muzzle.lists.NEVER_LIST
import app.muzzle.lists.SWITCHED_LISTS
import app.muzzle.lists.listAddress
import app.muzzle.settings.OwnerSettings
import app.muzzle.settings.withCategory
import app.muzzle.settings.withList
import java.text.NumberFormat
import java.util.concurrent.CancellationException

/** Which lists count, and the owner's own: taking one in tells what came of it. */
class ListsActivity : ScreenActivity() {
    private class Loaded(
        val builtIn: List<HostList>,
        val own: List<HostList>,
    )

    private val now get() = graph.settings.now
    private val imports get() = graph.imports
    private val listener = { importsChanged() }

    /** What came of the last import: words, as they outlive the process. */
    private var report = emptyList<String>()

    /** The next list's plain names stand for all that is under them. */
    private var below = false

    private var underWay: ListImports.Import? = null

    /** How much was fetched of it. */
    private var soFar: TextView? = null

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        toolbar.setTitle(R.string.lists_title)
        showUp()
        report = savedInstanceState?.getStringArrayList(REPORT).orEmpty()
        below = savedInstanceState?.getBoolean(BELOW) ?: false
        imports.changed = listener
        imports.outcome()?.let { report = words(it) }
        showLoading()
        reload()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putStringArrayList(REPORT, ArrayList(report))
        state.putBoolean(BELOW, below)
    }

    override fun onDestroy() {
        if (imports.changed === listener) imports.changed = {}
        super.onDestroy()
    }

    private fun importsChanged() {
        val outcome = imports.outcome()
        val import = imports.current
        if (outcome != null) return tell(words(outcome))
        if (import != null && import === underWay) {
            soFar?.text = soFarWords(import)
        } else {
            underWay = import
            reload()
        }
    }

    private fun reload() {
        load(::read, failed = { showError(it) { reload() } }, then = ::showAll)
    }

    private fun read(): Loaded {
        val known = graph.core.lists().lists
        return Loaded(known.filter { it.name in PROFILES || it.name == NEVER_LIST }, known.filter { it.imported })
    }

    private fun showAll(loaded: Loaded) {
        val column = Column(this)
        column.showBuiltIn(loaded.builtIn)
        column.showKinds()
        column.showOwn(loaded.own)
        show(column.root)
    }

    private fun Column.showBuiltIn(lists: List<HostList>) {
        heading(R.string.lists_built_in)
        card {
            for (list in lists.filter { it.name != NEVER_LIST }.sortedBy { PROFILES.keys.indexOf(it.name) }) {
                val title = getString(PROFILES.getValue(list.name))
                switch(title, aboutList(list), list.name !in now.listsOff) { on -> set(title, on) { it.withList(list.name, on) } }
            }
            lists.firstOrNull { it.name == NEVER_LIST }?.let { small(getString(R.string.lists_never, number(it.rules.toLong()))) }
        }
    }

    private fun Column.showKinds() {
        heading(R.string.lists_kinds)
        card {
            val ads = getString(R.string.category_ads)
            switch(ads, getString(R.string.lists_ads_text), now.categories[ADS] != Verdict.ALLOW) { on ->
                set(ads, on) { it.withCategory(ADS, if (on) null else Verdict.ALLOW) }
            }
            val push = getString(R.string.category_push)
            switch(push, getString(R.string.lists_push_text), now.categories[PUSH] == Verdict.BLOCK) { on ->
                set(push, on) { it.withCategory(PUSH, if (on) Verdict.BLOCK else null) }
            }
            small(getString(R.string.lists_switch))
        }
    }

    private fun Column.showOwn(lists: List<HostList>) {
        heading(R.string.lists_own)
        val import = imports.current
        card {
            small(getString(R.string.lists_own_text))
            switch(R.string.lists_below, R.string.lists_below_text, below) { below = it }
            button(R.string.lists_add) { choose() }.isEnabled = import == null
            small(getString(R.string.lists_address_text))
            button(R.string.lists_add_address) { askAddress() }.isEnabled = import == null
        }
        soFar = null
        if (import != null) {
            card { showUnderWay(import) }
        } else if (report.isNotEmpty()) {
            card {
                status(report.first()).setTextAppearance(R.style.Text)
                report.drop(1).forEach { small(it) }
            }
        }
        for (list in lists) {
            card {
                val title = titleOf(list)
                val words = if (list.damaged) getString(R.string.lists_damaged) else aboutList(list)
                switch(title, words, list.name !in now.listsOff) { on -> set(title, on) { it.withList(list.name, on) } }
                listAddress(title)?.let { address ->
                    button(R.string.lists_fetch_again) { imports.fetch(address, list.below) }.isEnabled = import == null
                }
                button(R.string.lists_remove) { remove(list) }
            }
        }
    }

    private fun Card.showUnderWay(import: ListImports.Import) {
        val words = import.host?.let { getString(R.string.lists_fetching, it) } ?: getString(R.string.lists_reading)
        status(words).setTextAppearance(R.style.Text)
        if (import.host != null) soFar = small(soFarWords(import))
        lateinit var button: Button
        button =
            button(R.string.cancel) {
                button.isEnabled = false
                imports.cancel()
            }
    }

    private fun soFarWords(import: ListImports.Import) =
        getString(R.string.lists_so_far, Formatter.formatShortFileSize(this, import.bytes))

    private fun titleOf(list: HostList) = list.source?.ifEmpty { null } ?: list.name

    private fun set(
        title: String,
        on: Boolean,
        change: (OwnerSettings) -> OwnerSettings,
    ) = change(getString(R.string.app_set, title, getString(if (on) R.string.lists_on else R.string.setting_off)), ::reload, change)

    private fun choose() =
        askForDocument(Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("*/*"), CHOOSE)

    override fun onActivityResult(
        requestCode: Int,
        resultCode: Int,
        data: Intent?,
    ) {
        val document = data?.data
        if (requestCode != CHOOSE || resultCode != RESULT_OK || document == null) return
        imports.read(document, contentResolver, below)
    }

    private fun askAddress() {
        val field = EditText(this)
        field.setHint(R.string.lists_address_hint)
        field.contentDescription = getString(R.string.lists_add_address)
        field.inputType = InputType.TYPE_CLASS_TEXT or InputType.TYPE_TEXT_VARIATION_URI
        AlertDialog
            .Builder(this)
            .setTitle(R.string.lists_add_address)
            .setView(field)
            .setNegativeButton(R.string.cancel, null)
            .setPositiveButton(R.string.ok) { _, _ ->
                val address = listAddress(field.text.toString())
                if (address == null) tell(listOf(getString(R.string.lists_bad_address))) else imports.fetch(address, below)
            }.show()
    }

    private fun remove(list: HostList) =
        load({
            graph.core.removeList(list.name)
            graph.settings.update { it.withList(list.name, true) }
        }, failed = { tell(failure(it, R.string.lists_unreadable)) }) { tell(listOf(getString(R.string.lists_removed, titleOf(list)))) }

    private fun tell(words: List<String>) {
        report = words
        reload()
    }

    private fun words(outcome: ListImports.Outcome): List<String> =
        outcome.taken.fold(::words) {
            failure(it, if (outcome.fetched) R.string.lists_unreachable else R.string.lists_unreadable)
        }

    /** The lists of before stay in force, and the words say so. */
    private fun failure(
        error: Throwable,
        unreadable: Int,
    ): List<String> {
        if (error is CancellationException) return listOf(getString(R.string.lists_cancelled))
        val why =
            when {
                error is CoreException && error.code == "limit" -> getString(R.string.lists_too_many)
                error is CoreException && error.code == "bad-list" -> getString(R.string.lists_bad, error.message.orEmpty())
                error is CoreException -> errorWords(this, error).let { "${it.title}. ${it.advice}" }
                error is LongList -> getString(R.string.lists_too_long, Formatter.formatShortFileSize(this, LONGEST_LIST))
                else -> getString(unreadable)
            }
        return listOf(getString(R.string.lists_failed), why)
    }

    private fun words(taken: ListImports.Taken): List<String> {
        val report = taken.report
        val refused = report.refused.sumOf { it.second.count }
        val said =
            mutableListOf(
                if (report.taken) {
                    getString(R.string.lists_taken, taken.title, number(report.names), number(refused))
                } else {
                    getString(R.string.lists_failed)
                },
            )
        report.kind?.let { said += getString(KINDS[it] ?: R.string.kind_no_list) }
        if (report.meansBelow) said += getString(R.string.lists_means_below)
        if (report.exceptions > 0) said += getString(R.string.lists_exceptions, number(report.exceptions))
        said += seen(report.never, R.string.lists_conflicts)
        said += seen(report.duplicates, R.string.lists_duplicates)
        said += seen(report.narrowed, R.string.lists_narrowed)
        said += seen(report.widened, R.string.lists_widened)
        said += seen(report.takenBack, R.string.lists_taken_back)
        for ((reason, lines) in report.refused) said += seen(lines, REFUSED[reason] ?: R.string.refused_other)
        return said
    }

    private fun seen(
        lines: Seen,
        what: Int,
    ): List<String> {
        if (lines.count == 0L) return emptyList()
        val samples = lines.samples.map { (line, text) -> getString(R.string.lists_line, line, text) }
        val more = lines.count - samples.size
        val rest = if (more > 0) listOf(getString(R.string.lists_more, number(more))) else emptyList()
        return listOf((listOf(getString(what, number(lines.count))) + samples + rest).joinToString("\n"))
    }

    private fun number(count: Long) = NumberFormat.getIntegerInstance().format(count)

    private companion object {
        const val CHOOSE = 1
        const val REPORT = "report"
        const val BELOW = "below"
        const val ADS = "ads"
        const val PUSH = "push"

        val PROFILES =
            SWITCHED_LISTS
                .zip(listOf(R.string.list_xiaomi, R.string.list_alibaba, R.string.list_sensors, R.string.list_other))
                .toMap()

        /** Reasons of the core why a line was not taken. */
        val REFUSED =
            mapOf(
                "not-text" to R.string.refused_not_text,
                "long-line" to R.string.refused_long_line,
                "not-a-host" to R.string.refused_not_a_host,
                "not-ascii" to R.string.refused_not_ascii,
                "one-label" to R.string.refused_one_label,
                "address" to R.string.refused_address,
                "redirect" to R.string.refused_redirect,
                "not-dns" to R.string.refused_not_dns,
                "pattern" to R.string.refused_pattern,
                "condition" to R.string.refused_condition,
                "exception" to R.string.refused_exception,
                "shared" to R.string.refused_shared,
            )

        /** What the core says a file is; the others are no list of names. */
        val KINDS =
            mapOf(
                "zip" to R.string.kind_packed,
                "packed" to R.string.kind_packed,
                "utf-16" to R.string.kind_utf16,
                "page" to R.string.kind_page,
                "rpz" to R.string.kind_other_form,
                "unbound" to R.string.kind_other_form,
                "expressions" to R.string.kind_other_form,
                "addresses" to R.string.kind_addresses,
                "page-rules" to R.string.kind_page_rules,
                "exceptions" to R.string.kind_exceptions,
            )
    }
}
