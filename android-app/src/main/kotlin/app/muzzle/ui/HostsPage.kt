package app.muzzle.ui

import android.content.Intent
import android.os.Bundle
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.ListView
import android.widget.TextView
import app.muzzle.R
import app.muzzle.core.Category
import app.muzzle.core.Core
import app.muzzle.core.Rule
import app.muzzle.core.RulePage
import app.muzzle.core.Verdict
import app.muzzle.core.Work
import app.muzzle.graph
import app.muzzle.settings.withCategory
import java.text.NumberFormat

/** What the lists hold by category, and a search for any host. */
class HostsPage(
    screen: ScreenActivity,
) : Page(screen) {
    private val graph = screen.graph
    private val adapter = RowAdapter(screen, LAYOUTS)
    private val root by lazy(::makeRoot)
    private val list get() = root.find<ListView>(R.id.list)
    private var text = ""
    private var top = 0
    private var ticket: Work.Ticket? = null

    override fun shown() {
        screen.show(root)
        if (adapter.isEmpty) adapter.rows = MessageRow.loading(screen)
        reload()
    }

    override fun hidden() {
        top = list.firstVisiblePosition
    }

    override fun save(state: Bundle) {
        state.putString(TEXT, text)
        state.putInt(TOP, top)
    }

    override fun restore(state: Bundle) {
        text = state.getString(TEXT).orEmpty()
        top = state.getInt(TOP)
    }

    private fun makeRoot(): ViewGroup {
        val view = screen.inflate(R.layout.list_page, screen.find(R.id.content)) as ViewGroup
        view.find<View>(R.id.chips_scroll).shown(false)
        view.find<ListView>(R.id.list).adapter = adapter
        view.find<EditText>(R.id.search).search(R.string.search_hosts, text) {
            text = it
            top = 0
            reload()
        }
        return view
    }

    private fun reload() {
        ticket?.cancel()
        adapter.onNearEnd = {}
        ticket = if (text.isEmpty()) loadCategories() else loadRules(text)
    }

    private fun <T> load(
        read: () -> T,
        then: (T) -> Unit,
    ) = screen.load(read, failed = { adapter.rows = MessageRow.failed(screen, it, ::reload) }) {
        then(it)
        if (top > 0) list.setSelection(top)
        top = 0
    }

    private fun loadCategories() =
        load({ graph.core.lists() }) { lists ->
            val names = lists.lists.joinToString(", ") { screen.getString(R.string.list_version, it.name, it.version) }
            val heading = HeadingRow(screen.getString(R.string.lists_in_force, names))
            adapter.rows = listOf(heading, DoorLine()) + lists.categories.filter { it.rules > 0 }.map(::CategoryLine)
        }

    private fun loadRules(text: String) =
        load({ graph.core.rules(text, null, 0) }) { page ->
            val found = ArrayList<Row>()
            if ('.' in text) found += LookupLine(text)
            found += HeadingRow(screen.resources.getQuantityString(R.plurals.rules_found, page.total, page.total))
            found += page.rules.map(::RuleLine)
            adapter.rows = found
            var read = page.rules.size
            var busy = false
            adapter.onNearEnd = {
                if (read < page.total && !busy) {
                    busy = true
                    screen.load({ graph.core.rules(text, null, read, Core.PAGE) }) { more: RulePage ->
                        busy = false
                        read = if (more.rules.isEmpty()) page.total else read + more.rules.size
                        found += more.rules.map(::RuleLine)
                        adapter.rows = found
                    }
                }
            }
        }

    private inner class CategoryLine(
        private val category: Category,
    ) : Row {
        override val layout = R.layout.category_row

        override fun fill(view: View) {
            val name = CATEGORIES.word(screen, category.category)
            view.find<TextView>(R.id.category_name).text = name
            view.find<TextView>(R.id.category_counts).text = counts()
            // The settings say what holds: the core's answer may be from before the change.
            val chosen = CHOICES.indexOf(graph.settings.now.categories[category.category])
            val words = CHOICES.map { it?.word ?: R.string.verdict_default }
            view.find<ChoiceBar>(R.id.category_setting).show(words, chosen, screen.getString(R.string.setting_of, name)) { at ->
                screen.change(screen.getString(R.string.app_set, name, screen.getString(words[at])), ::reload) {
                    it.withCategory(category.category, CHOICES[at])
                }
            }
        }

        private fun counts(): String {
            val number = NumberFormat.getIntegerInstance()
            val hosts = screen.resources.getQuantityString(R.plurals.rules_found, category.rules, category.rules)
            val parts =
                listOf(category.block to R.string.n_block, category.record to R.string.n_record) +
                    listOf(category.allow to R.string.n_allow, category.never to R.string.n_never)
            val words = parts.filter { it.first > 0 }.map { screen.getString(it.second, number.format(it.first)) }
            return (listOf(hosts) + words).joinToString(" · ")
        }
    }

    private inner class DoorLine : Row {
        override val layout = R.layout.rule_row

        override fun fill(view: View) {
            view.find<TextView>(R.id.rule_host).setText(R.string.lists_title)
            view.find<TextView>(R.id.rule_about).setText(R.string.lists_door)
            view.setOnClickListener { screen.startActivity(Intent(screen, ListsActivity::class.java)) }
        }
    }

    private inner class LookupLine(
        private val host: String,
    ) : Row {
        override val layout = R.layout.rule_row

        override fun fill(view: View) {
            view.find<TextView>(R.id.rule_host).text = host
            view.find<TextView>(R.id.rule_about).setText(R.string.look_up)
            view.setOnClickListener { screen.startActivity(HostActivity.of(screen, host)) }
        }
    }

    private inner class RuleLine(
        private val rule: Rule,
    ) : Row {
        override val layout = R.layout.rule_row

        override fun fill(view: View) {
            view.find<TextView>(R.id.rule_host).text = rule.rule
            val usual = rule.default?.let { LISTINGS.word(screen, it) }
            view.find<TextView>(R.id.rule_about).text = listOfNotNull(usual, aboutRule(screen, rule)).joinToString(" · ")
            view.setOnClickListener { screen.startActivity(HostActivity.of(screen, rule.rule)) }
        }
    }

    private companion object {
        val CHOICES = listOf(null, Verdict.ALLOW, Verdict.RECORD, Verdict.BLOCK)
        val LAYOUTS = intArrayOf(R.layout.category_row, R.layout.rule_row, R.layout.heading_row, R.layout.message_row)
        const val TEXT = "hosts-text"
        const val TOP = "hosts-top"
    }
}
