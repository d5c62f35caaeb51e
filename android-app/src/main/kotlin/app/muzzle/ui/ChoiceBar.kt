package app.muzzle.ui

import android.content.Context
import android.util.AttributeSet
import android.view.LayoutInflater
import android.view.ViewGroup
import android.widget.LinearLayout
import android.widget.RadioButton
import android.widget.RadioGroup
import app.muzzle.R

/** A few choices side by side, one of which holds; below each other where the font is large. */
class ChoiceBar
    @JvmOverloads
    constructor(
        context: Context,
        attributes: AttributeSet? = null,
    ) : RadioGroup(context, attributes) {
        private val stacked = resources.configuration.fontScale >= LARGE_FONT

        init {
            orientation = if (stacked) VERTICAL else HORIZONTAL
        }

        /** [words] are resources; [chosen] is the number of one of them, or none. Says what it is [of]. */
        fun show(
            words: List<Int>,
            chosen: Int,
            of: String,
            choose: (Int) -> Unit,
        ) {
            contentDescription = of
            while (childCount < words.size) addView(button())
            clearCheck()
            words.forEachIndexed { index, word ->
                val button = getChildAt(index) as RadioButton
                button.setText(word)
                button.setOnClickListener { if (index != chosen) choose(index) }
                if (index == chosen) check(button.id)
            }
        }

        private fun button(): RadioButton {
            val button = LayoutInflater.from(context).inflate(R.layout.choice, this, false) as RadioButton
            button.id = generateViewId()
            button.isSaveEnabled = false
            if (stacked) {
                button.layoutParams =
                    LinearLayout.LayoutParams(ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.WRAP_CONTENT)
            }
            return button
        }
    }

/** Font scales from here on need more room than one line has. */
const val LARGE_FONT = 1.5f
