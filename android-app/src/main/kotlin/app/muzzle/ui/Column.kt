package app.muzzle.ui

import android.text.SpannableString
import android.text.Spanned
import android.text.style.TextAppearanceSpan
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.CompoundButton
import android.widget.FrameLayout
import android.widget.LinearLayout
import android.widget.RadioButton
import android.widget.RadioGroup
import android.widget.Switch
import android.widget.TextView
import app.muzzle.R

/** A screen of cards under headings, from top to bottom. */
class Column(
    private val screen: ScreenActivity,
) {
    val root: View = screen.inflate(R.layout.column, screen.find<FrameLayout>(R.id.content))
    private val column = root.find<LinearLayout>(R.id.column)

    fun heading(words: Int) {
        val view = TextView(screen)
        view.setTextAppearance(R.style.Text_Heading)
        view.textAlignment = View.TEXT_ALIGNMENT_VIEW_START
        view.setText(words)
        val gap = screen.resources.getDimensionPixelSize(R.dimen.edge) / 2
        view.setPadding(0, gap, 0, gap)
        column.addView(view)
    }

    fun card(fill: Card.() -> Unit): Card {
        val view = screen.inflate(R.layout.card, column) as LinearLayout
        column.addView(view)
        return Card(screen, view).apply(fill)
    }
}

/** One of several things to choose from. */
class Option<T>(
    val value: T,
    val title: String,
    val text: String? = null,
    val enabled: Boolean = true,
)

class Card(
    private val screen: ScreenActivity,
    private val view: LinearLayout,
) {
    fun clear() = view.removeAllViews()

    fun text(
        words: CharSequence,
        look: Int = R.style.Text,
    ): TextView {
        val line = TextView(screen)
        line.setTextAppearance(look)
        line.textAlignment = View.TEXT_ALIGNMENT_VIEW_START
        line.text = words
        return line.also(view::addView)
    }

    fun small(words: CharSequence) = text(words, R.style.Text_Small)

    /** A line that is read aloud when it changes. */
    fun status(words: CharSequence) = small(words).apply { accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE }

    fun button(
        words: Int,
        look: Int = R.style.Button_Plain,
        act: () -> Unit,
    ): Button {
        val button = Button(screen, null, 0, look)
        button.setText(words)
        button.setOnClickListener { act() }
        return button.also { view.addView(it, LinearLayout.LayoutParams(WIDE, HIGH)) }
    }

    fun <T> choices(
        options: List<Option<T>>,
        chosen: T,
        choose: (T) -> Unit,
    ) {
        val group = RadioGroup(screen)
        for (option in options) {
            val row = RadioButton(screen)
            row.id = View.generateViewId()
            dress(row, option.title, option.text)
            row.isEnabled = option.enabled
            row.isChecked = option.value == chosen
            row.setOnClickListener { choose(option.value) }
            group.addView(row, ViewGroup.LayoutParams(WIDE, HIGH))
        }
        view.addView(group)
    }

    fun switch(
        title: Int,
        text: Int,
        on: Boolean,
        change: (Boolean) -> Unit,
    ) = switch(screen.getString(title), screen.getString(text), on, change)

    fun switch(
        title: String,
        text: String,
        on: Boolean,
        change: (Boolean) -> Unit,
    ) {
        val row = Switch(screen)
        row.switchPadding = screen.resources.getDimensionPixelSize(R.dimen.edge) / 2
        dress(row, title, text)
        row.isChecked = on
        row.setOnClickListener { change(row.isChecked) }
        view.addView(row, LinearLayout.LayoutParams(WIDE, HIGH))
    }

    private fun dress(
        row: CompoundButton,
        title: String,
        text: String?,
    ) {
        row.setTextAppearance(R.style.Text)
        row.textAlignment = View.TEXT_ALIGNMENT_VIEW_START
        row.minHeight = screen.resources.getDimensionPixelSize(R.dimen.touch)
        row.text = if (text == null) title else twoLines(title, text)
        val gap = screen.resources.getDimensionPixelSize(R.dimen.edge) / 2
        row.setPaddingRelative(row.paddingStart, gap, row.paddingEnd, gap)
    }

    private fun twoLines(
        title: String,
        text: String,
    ): CharSequence {
        val words = SpannableString(screen.getString(R.string.two_lines, title, text))
        val small = TextAppearanceSpan(screen, R.style.Text_Small)
        words.setSpan(small, words.length - text.length, words.length, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        return words
    }

    private companion object {
        const val WIDE = ViewGroup.LayoutParams.MATCH_PARENT
        const val HIGH = ViewGroup.LayoutParams.WRAP_CONTENT
    }
}
