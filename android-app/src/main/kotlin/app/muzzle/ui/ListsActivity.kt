package app.muzzle.ui

import android.app.AlertDialog
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import android.text.InputType
import android.text.format.Formatter
import android.widget.EditText
import app.muzzle.R
import app.muzzle.core.CoreException
import app.muzzle.core.HostList
import app.muzzle.core.ImportReport
import app.muzzle.core.Seen
import app.muzzle.core.Verdict
import app.muzzle.graph
import app.muzzle.lists.LONGEST_LIST
import app.muzzle.lists.LongList
import app.muzzle.lists.fetchList
import app.muzzle.lists.listAddress
import app.muzzle.settings.OwnerSettings
import app.muzzle.settings.withCategory
import app.muzzle.settings.withList
import java.io.File
import java.io.FileNotFoundException
import java.net.URL
import java.text.NumberFormat

/** Which lists count, and the owner's own: taking one in tells what came of it. */
class ListsActivity : ScreenActivity() {
    private class Loaded(
        val builtIn: List<HostList>,
        val own: List<HostList>,
    )

    private val now get() = graph.settings.now

    /** What came of the last import: words, as they outlive the process. */
    private var report = emptyList<String>()

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        toolbar.setTitle(R.string.lists_title)
        showUp()
        report = savedInstanceState?.getStringArrayList(REPORT).orEmpty()
        showLoading()
        reload()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putStringArrayList(REPORT, ArrayList(report))
    }

    private fun reload() {
        load(::read, failed = { showError(it) { reload() } }, then = ::showAll)
    }

    private fun read(): Loaded {
        val known = graph.core.lists().lists
        return Loaded(known.filter { it.name in PROFILES || it.name == NEVER }, known.filter { it.imported })
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
            for (list in lists.filter { it.name != NEVER }.sortedBy { PROFILES.keys.indexOf(it.name) }) {
                val title = getString(PROFILES.getValue(list.name))
                switch(title, aboutList(list), list.name !in now.listsOff) { on -> set(title, on) { it.withList(list.name, on) } }
            }
            lists.firstOrNull { it.name == NEVER }?.let { small(getString(R.string.lists_never, number(it.rules.toLong()))) }
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
        card {
            small(getString(R.string.lists_own_text))
            button(R.string.lists_add) { choose() }
            small(getString(R.string.lists_address_text))
            button(R.string.lists_add_address) { askAddress() }
        }
        if (report.isNotEmpty()) {
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
                listAddress(titleOf(list))?.let { address -> button(R.string.lists_fetch_again) { fetch(address) } }
                button(R.string.lists_remove) { remove(list) }
            }
        }
    }

    private fun titleOf(list: HostList) = list.source?.ifEmpty { null } ?: list.name

    private fun set(
        title: String,
        on: Boolean,
        change: (OwnerSettings) -> OwnerSettings,
    ) = change(getString(R.string.app_set, title, getString(if (on) R.string.lists_on else R.string.setting_off)), ::reload, change)

    private fun choose() =
        startActivityForResult(Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("*/*"), CHOOSE)

    override fun onActivityResult(
        requestCode: Int,
        resultCode: Int,
        data: Intent?,
    ) {
        val document = data?.data
        if (requestCode != CHOOSE || resultCode != RESULT_OK || document == null) return
        report = listOf(getString(R.string.lists_reading))
        reload()
        load({ take(document) }, failed = { tell(failure(it)) }) { tell(words(it)) }
    }

    private fun take(document: Uri): Pair<String, ImportReport> {
        val title = titleOf(document)
        val file = contentResolver.openFileDescriptor(document, "r") ?: throw FileNotFoundException("the document is gone")
        return title to graph.core.importList(file.detachFd(), nameOf(title), title)
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
                if (address == null) tell(listOf(getString(R.string.lists_bad_address))) else fetch(address)
            }.show()
    }

    private fun fetch(address: URL) {
        report = listOf(getString(R.string.lists_fetching, address.host))
        reload()
        load({ take(address) }, failed = { tell(failure(it, R.string.lists_unreachable)) }) { tell(words(it)) }
    }

    /** Its name is the end of the address, which differs from list to list. */
    private fun take(address: URL): Pair<String, ImportReport> {
        val file = File.createTempFile("list", null, cacheDir)
        try {
            fetchList(graph.connect(address), file)
            val descriptor = ParcelFileDescriptor.open(file, ParcelFileDescriptor.MODE_READ_ONLY).detachFd()
            val end = (address.host + address.path).takeLast(LONGEST_NAME)
            return address.toString() to graph.core.importList(descriptor, plain(end), address.toString())
        } finally {
            file.delete()
        }
    }

    /** Such as `hosts-2026` for `Hosts_2026.txt`: the core takes no other letters. */
    private fun nameOf(title: String) = plain(title.substringBeforeLast('.').take(LONGEST_NAME))

    private fun plain(words: String): String {
        val plain = words.lowercase().map { if (it in 'a'..'z' || it in '0'..'9') it else '-' }.joinToString("").trim('-')
        return if (plain.isEmpty() || plain in BUILT_IN) "own-$plain".trim('-') else plain
    }

    private fun titleOf(document: Uri): String {
        val name =
            contentResolver.query(document, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)?.use {
                if (it.moveToFirst()) it.getString(0) else null
            }
        return (name ?: document.lastPathSegment ?: getString(R.string.list)).take(LONGEST_TITLE)
    }

    private fun remove(list: HostList) =
        load({
            graph.core.removeList(list.name)
            graph.settings.update { it.withList(list.name, true) }
        }, failed = { tell(failure(it)) }) { tell(listOf(getString(R.string.lists_removed, titleOf(list)))) }

    private fun tell(words: List<String>) {
        report = words
        reload()
    }

    /** The lists of before stay in force, and the words say so. */
    private fun failure(
        error: Throwable,
        unreadable: Int = R.string.lists_unreadable,
    ): List<String> {
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

    private fun words(taken: Pair<String, ImportReport>): List<String> {
        val (title, report) = taken
        val refused = report.refused.sumOf { it.second.count }
        val said = mutableListOf(getString(R.string.lists_taken, title, number(report.names), number(refused)))
        if (report.exceptions > 0) said += getString(R.string.lists_exceptions, number(report.exceptions))
        said += seen(report.never, R.string.lists_conflicts)
        said += seen(report.duplicates, R.string.lists_duplicates)
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
        const val ADS = "ads"
        const val PUSH = "push"
        const val NEVER = "never-block"
        const val LONGEST_TITLE = 80

        /** Four less than the core takes. */
        const val LONGEST_NAME = 28

        /** The built-in lists that are switched, by their names in the core. */
        val PROFILES =
            mapOf(
                "xiaomi" to R.string.list_xiaomi,
                "alibaba" to R.string.list_alibaba,
                "sensors" to R.string.list_sensors,
                "other" to R.string.list_other,
            )

        val BUILT_IN = PROFILES.keys + NEVER + "resolvers"

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
                "condition" to R.string.refused_condition,
                "shared" to R.string.refused_shared,
            )
    }
}
