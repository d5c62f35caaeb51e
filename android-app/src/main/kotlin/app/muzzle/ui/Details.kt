package app.muzzle.ui

import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.LinearLayout
import android.widget.TextView
import app.muzzle.R

/** Cards of facts, one below the other, that scroll. */
class Details(
    private val screen: ScreenActivity,
) {
    val root = screen.inflate(R.layout.detail, screen.find(R.id.content)) as ViewGroup
    val sections: LinearLayout = root.find(R.id.sections)

    fun section(
        title: Int,
        fill: Section.() -> Unit,
    ) {
        val card = screen.inflate(R.layout.section, sections) as LinearLayout
        card.find<TextView>(R.id.section_title).setText(title)
        Section(screen, card).fill()
        sections.addView(card)
    }

    class Section(
        private val screen: ScreenActivity,
        val card: LinearLayout,
    ) {
        /** Nothing where the value is not known. */
        fun fact(
            name: String,
            value: String?,
            icon: Int = 0,
        ) {
            if (value.isNullOrEmpty()) return
            val view = screen.inflate(R.layout.fact, card)
            view.find<TextView>(R.id.fact_name).text = name
            view.find<TextView>(R.id.fact_name).setCompoundDrawablesRelativeWithIntrinsicBounds(icon, 0, 0, 0)
            view.find<TextView>(R.id.fact_value).text = value
            card.addView(view)
        }

        fun fact(
            name: Int,
            value: String?,
        ) = fact(screen.getString(name), value)

        fun text(words: String): TextView {
            val view = TextView(screen)
            view.setTextAppearance(R.style.Text)
            view.textAlignment = View.TEXT_ALIGNMENT_VIEW_START
            view.text = words
            card.addView(view)
            return view
        }

        fun button(
            word: Int,
            act: () -> Unit,
        ): Button {
            val button = Button(screen, null, 0, R.style.Button_Plain)
            button.setText(word)
            button.setOnClickListener { act() }
            card.addView(button, LinearLayout.LayoutParams(WRAP, WRAP))
            return button
        }
    }

    private companion object {
        const val WRAP = ViewGroup.LayoutParams.WRAP_CONTENT
    }
}
