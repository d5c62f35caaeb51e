package app.muzzle.ui

import android.os.Bundle
import android.widget.ListView
import app.muzzle.R
import app.muzzle.graph

/** Each identifier that was seen, once, with who knows it. */
class IdentifiersActivity : ScreenActivity() {
    private val list by lazy { inflate(R.layout.list, find(R.id.content)) as ListView }
    private val adapter by lazy { RowAdapter(this, intArrayOf(R.layout.identifier_row, R.layout.message_row)) }
    private val revealed = HashSet<String>()
    private var top = 0

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        top = savedInstanceState?.getInt(TOP) ?: 0
        toolbar.setTitle(R.string.identifiers)
        showUp()
        list.adapter = adapter
        show(list)
        reload()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putInt(TOP, list.firstVisiblePosition)
    }

    private fun reload() {
        adapter.rows = MessageRow.loading(this)
        load(::read, failed = { adapter.rows = MessageRow.failed(this, it, ::reload) }) { rows ->
            adapter.rows = rows.ifEmpty { MessageRow.empty(this, R.string.no_identifiers, R.string.nothing_yet) }
            list.setSelection(top)
        }
    }

    private fun read(): List<Row> {
        val found = graph.core.identifiers()
        faces.learn(found.flatMap { it.apps }.distinct())
        return found.map { IdentifierLine(this, it, revealed) { adapter.notifyDataSetChanged() } }
    }

    private companion object {
        const val TOP = "top"
    }
}
