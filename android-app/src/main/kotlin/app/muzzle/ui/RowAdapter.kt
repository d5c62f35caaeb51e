package app.muzzle.ui

import android.view.View
import android.view.ViewGroup
import android.widget.BaseAdapter
import android.widget.Button
import android.widget.TextView
import app.muzzle.R

/** One line of a list: knows its layout and fills it. */
interface Row {
    val layout: Int

    fun fill(view: View)
}

/** Shows rows of a few layouts; views are used again. */
class RowAdapter(
    private val screen: ScreenActivity,
    private val layouts: IntArray,
) : BaseAdapter() {
    /** Told, after the list was drawn, that the last rows came into view. */
    var onNearEnd: () -> Unit = {}

    var rows: List<Row> = emptyList()
        set(value) {
            field = value
            notifyDataSetChanged()
        }

    override fun getCount() = rows.size

    override fun getItem(position: Int) = rows[position]

    override fun getItemId(position: Int) = position.toLong()

    override fun getViewTypeCount() = layouts.size

    override fun getItemViewType(position: Int) = layouts.indexOf(rows[position].layout)

    /** Rows take touches themselves. */
    override fun isEnabled(position: Int) = false

    override fun areAllItemsEnabled() = false

    override fun getView(
        position: Int,
        old: View?,
        parent: ViewGroup,
    ): View {
        val row = rows[position]
        val view = old ?: screen.inflate(row.layout, parent)
        row.fill(view)
        if (nearEnd(position)) parent.post { if (nearEnd(position)) onNearEnd() }
        return view
    }

    private fun nearEnd(position: Int) = position >= rows.size - NEAR_END

    private companion object {
        const val NEAR_END = 20
    }
}

class HeadingRow(
    private val text: String,
) : Row {
    override val layout = R.layout.heading_row

    override fun fill(view: View) {
        view.find<TextView>(R.id.heading).text = text
    }
}

/** What stands in a list's place while it loads, is empty or failed. */
class MessageRow private constructor(
    private val title: String,
    private val text: String,
    private val busy: Boolean = false,
    private val retry: (() -> Unit)? = null,
) : Row {
    override val layout = R.layout.message_row

    override fun fill(view: View) {
        view.find<View>(R.id.message_busy).shown(busy)
        view.find<TextView>(R.id.message_title).text = title
        view.find<TextView>(R.id.message_text).line(text)
        val button = view.find<Button>(R.id.message_action)
        button.shown(retry != null)
        button.setText(R.string.try_again)
        button.setOnClickListener { retry?.invoke() }
    }

    companion object {
        fun loading(screen: ScreenActivity) = listOf(MessageRow(screen.getString(R.string.loading), "", busy = true))

        fun empty(
            screen: ScreenActivity,
            title: Int,
            text: Int,
        ) = listOf(MessageRow(screen.getString(title), screen.getString(text)))

        fun failed(
            screen: ScreenActivity,
            error: Throwable,
            retry: () -> Unit,
        ) = errorWords(screen, error).let { listOf(MessageRow(it.title, it.advice, retry = retry)) }
    }
}

fun View.shown(yes: Boolean) {
    visibility = if (yes) View.VISIBLE else View.GONE
}

/** Shows the text, or nothing at all where there is none. */
fun TextView.line(what: String?) {
    text = what
    shown(!what.isNullOrEmpty())
}
